package server

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// nowhere takes all.
type nowhere struct{ net.Conn }

func (nowhere) send(b *net.Buffers) error               { *b = nil; return nil }
func (nowhere) giveUp(net.Buffers, time.Duration) error { return nil }

// BenchmarkFrame is what it costs to frame a chunk, without the system call.
func BenchmarkFrame(b *testing.B) {
	w := wire{sender: nowhere{}}
	chunk := bytes.Repeat([]byte("x"), 160)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		w.frame(opBinary, chunk)
	}
}
