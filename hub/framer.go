package hub

import (
	"sync/atomic"

	"wsrun/internal/protocol"
)

const (
	// framedBytes is how large output is at the most that is copied into a frame which all
	// share. That saves each viewer a head of its own, and is written by write(2) instead of
	// writev(2). To copy more costs who watches alone more.
	framedBytes = 4 << 10
	// framedLast is how many frames are kept: a viewer may be sent several at a time, and
	// some viewers others than the rest.
	framedLast = 4
)

// A framer keeps the last output as messages. Its methods may be called concurrently: then
// a frame may be made twice.
type framer struct {
	last [framedLast]atomic.Pointer[framed]
	made atomic.Uint32
}

type framed struct {
	opcode         byte
	payload, frame []byte
}

// of returns output as a message of one frame, which is shared and never to be changed;
// nil if it is too large.
func (f *framer) of(opcode byte, payload []byte) []byte {
	if len(payload) > framedBytes {
		return nil
	}
	for i := range f.last {
		if kept := f.last[i].Load(); kept != nil && kept.opcode == opcode && sameChunk(kept.payload, payload) {
			return kept.frame
		}
	}
	made := &framed{opcode, payload, append(protocol.FrameHead(opcode, len(payload)), payload...)}
	f.last[f.made.Add(1)%framedLast].Store(made)
	return made.frame
}

// forget keeps nothing more.
func (f *framer) forget() {
	for i := range f.last {
		f.last[i].Store(nil)
	}
}
