package server

import (
	"bytes"
	"testing"
)

// BenchmarkFrame is what it costs to frame a chunk: the first viewer, and the others.
func BenchmarkFrame(b *testing.B) {
	chunks := [2][]byte{bytes.Repeat([]byte("x"), 160), bytes.Repeat([]byte("y"), 160)}
	for name, others := range map[string]int{"first": 1, "others": 0} {
		b.Run(name, func(b *testing.B) {
			var f framer
			b.SetBytes(int64(len(chunks[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i += others {
				f.of(opBinary, chunks[i%2])
			}
		})
	}
}
