package server

import "sync/atomic"

// framedBytes is how large output is at the most that is copied into a frame which all
// share. That saves each viewer a head of its own, and is written by write(2) instead of
// writev(2). To copy more costs who watches alone more.
const framedBytes = 4 << 10

// A framer keeps the last output of each opcode as a message. Its method may be called
// concurrently.
type framer struct {
	last [opBinary + 1]atomic.Pointer[framed]
}

type framed struct{ payload, frame []byte }

// of returns output as a message of one frame, which is shared and never to be changed;
// nil if it is too large.
func (f *framer) of(opcode byte, payload []byte) []byte {
	if len(payload) > framedBytes {
		return nil
	}
	last := f.last[opcode].Load()
	if last == nil || !sameChunk(last.payload, payload) {
		last = &framed{payload, append(frameHead(opcode, len(payload)), payload...)}
		f.last[opcode].Store(last)
	}
	return last.frame
}
