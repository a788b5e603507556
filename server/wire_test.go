package server

import (
	"bufio"
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

// A close frame of coder/websocket's that comes when half a frame was written goes
// behind the other half, and nothing behind it.
func TestACloseFrameTearsNone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepting := conns{Listener: l}
	defer accepting.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	near.SetDeadline(time.Now().Add(patience))
	far, err := accepting.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w := wire{sender: far.(*conn)}
	defer w.Close()
	w.closing = func() { w.hurry(false) }
	w.hurry(true)
	for payload := bytes.Repeat([]byte("x"), 50_000); !w.blocked(); {
		if err := w.frame(opBinary, payload); err != nil {
			t.Fatal(err)
		}
	}
	written := make(chan error)
	go func() {
		_, err := w.Write(append(frameHead(opClose, 2), statusBytes(1000)...))
		if w.frame(opBinary, []byte("late")) != errWireClose {
			t.Error("a frame can be written behind a close frame")
		}
		w.Close()
		written <- err
	}()
	if end, err := (&rawSocket{Conn: near, r: bufio.NewReader(near)}).end(); end != "1000" || err != nil {
		t.Errorf("ended with %s, %v", end, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
