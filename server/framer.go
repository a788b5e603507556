package server

import (
	"slices"
	"sync"
	"unsafe"
)

// A framer frames a chunk once for all who get it next.
type framer struct {
	mu   sync.Mutex
	last map[byte]framed // by opcode
}

type framed struct{ payload, frame []byte }

// of returns a message of one frame. It is shared, never to be changed.
func (f *framer) of(opcode byte, payload ...[]byte) []byte {
	if len(payload) != 1 || len(payload[0]) == 0 {
		return whole(opcode, payload)
	}
	p := payload[0]
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.last[opcode]
	if !sameChunk(last.payload, p) {
		last = framed{p, whole(opcode, payload)}
		if f.last == nil {
			f.last = map[byte]framed{}
		}
		f.last[opcode] = last
	}
	return last.frame
}

// sameChunk tells whether a chunk is the very one that was kept: as that is not freed, no
// other bytes can have its place.
func sameChunk(kept, p []byte) bool {
	return len(kept) == len(p) && unsafe.SliceData(kept) == unsafe.SliceData(p)
}

func whole(opcode byte, payload [][]byte) []byte {
	return slices.Concat(append([][]byte{frameHead(opcode, sizeOf(payload))}, payload...)...)
}
