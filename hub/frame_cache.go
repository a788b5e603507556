package hub

import (
	"sync/atomic"

	"wsrun/internal/protocol"
)

const (
	// maxCachedFrame is how large output is at the most that is copied into a frame which all
	// share. That saves each viewer a head of its own, and is written by write(2) instead of
	// writev(2). To copy more costs who watches alone more.
	maxCachedFrame = 4 << 10
	// cachedFrames is how many frames are kept: a viewer may be sent several at a time, and
	// some viewers others than the rest.
	cachedFrames = 4
)

// A frameCache keeps the last output as messages. Its methods may be called concurrently: then
// a frame may be made twice.
type frameCache struct {
	last [cachedFrames]atomic.Pointer[cachedFrame]
	made atomic.Uint32
}

type cachedFrame struct {
	opcode         byte
	payload, frame []byte
}

// get returns output as a message of one frame, which is shared and never to be changed;
// nil if it is too large.
func (f *frameCache) get(opcode byte, payload []byte) []byte {
	if len(payload) > maxCachedFrame {
		return nil
	}
	for i := range f.last {
		if kept := f.last[i].Load(); kept != nil && kept.opcode == opcode && sameChunk(kept.payload, payload) {
			return kept.frame
		}
	}
	made := &cachedFrame{opcode, payload, append(protocol.FrameHead(opcode, len(payload)), payload...)}
	f.last[f.made.Add(1)%cachedFrames].Store(made)
	return made.frame
}

// clear keeps nothing more.
func (f *frameCache) clear() {
	for i := range f.last {
		f.last[i].Store(nil)
	}
}
