package hub

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
)

// BenchmarkFrame is what it costs the crowd to frame a chunk and hand it to the system,
// which has nothing to do with it.
func BenchmarkFrame(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	w := wire{sender: &conn{fd: int(null.Fd())}, nonblocking: true}
	chunk := bytes.Repeat([]byte("x"), 160)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		w.frame(protocol.OpBinary, chunk)
	}
}

// connected returns both ends of a connection, which are closed at the test's end.
func connected(t *testing.T) (near net.Conn, far *conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepting := listener{Listener: l}
	defer accepting.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near.SetDeadline(time.Now().Add(wait.Patience))
	t.Cleanup(func() { near.Close() })
	accepted, err := accepting.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return near, accepted.(*conn)
}

// fill writes to a wire, which it hurries, until that takes no more.
func fill(t *testing.T, w *wire) {
	t.Helper()
	w.setNonblocking(true)
	for payload := bytes.Repeat([]byte("x"), 50_000); !w.blocked(); {
		if out := w.frame(protocol.OpBinary, payload); out != Following {
			t.Fatal(out)
		}
	}
}

// A close frame of coder/websocket's that comes when half a frame was written goes
// behind the other half, and nothing behind it.
func TestACloseFrameTearsNone(t *testing.T) {
	near, far := connected(t)
	w := wire{sender: far}
	w.closing = func() {}
	fill(t, &w)
	written := make(chan error)
	go func() {
		_, err := w.Write(append(protocol.FrameHead(protocol.OpClose, 2), peer.StatusBytes(1000)...))
		if w.frame(protocol.OpBinary, []byte("late")) != closing {
			t.Error("a frame can be written behind a close frame")
		}
		w.Close()
		written <- err
	}()
	if end, err := (&peer.RawSocket{Conn: near, R: bufio.NewReader(near)}).End(); end != "1000" || err != nil {
		t.Errorf("ended with %s, %v", end, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}
