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
	// What is kept is not freed, so no other bytes can have its place.
	if len(last.payload) != len(p) || unsafe.SliceData(last.payload) != unsafe.SliceData(p) {
		last = framed{p, whole(opcode, payload)}
		if f.last == nil {
			f.last = map[byte]framed{}
		}
		f.last[opcode] = last
	}
	return last.frame
}

func whole(opcode byte, payload [][]byte) []byte {
	return slices.Concat(append([][]byte{frameHead(opcode, sizeOf(payload))}, payload...)...)
}
