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

// connected returns both ends of a TCP connection. They are closed at the end of the test.
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

// fill makes a wire nonblocking and writes to it until it is blocked.
func fill(t *testing.T, w *wire) {
	t.Helper()
	w.setNonblocking(true)
	for payload := bytes.Repeat([]byte("x"), 50_000); !w.blocked(); {
		if out := w.frame(protocol.OpBinary, payload); out != Following {
			t.Fatal(out)
		}
	}
}

// If coder/websocket sends a close frame while half a frame is written, the close frame goes out
// after the other half, and nothing goes out after it.
func TestCloseFrameWaitsForFrame(t *testing.T) {
	near, far := connected(t)
	w := wire{sender: far}
	w.closing = func() {}
	fill(t, &w)
	written := make(chan error)
	go func() {
		_, err := w.Write(append(protocol.FrameHead(protocol.OpClose, 2), peer.StatusBytes(1000)...))
		if w.frame(protocol.OpBinary, []byte("late")) != closing {
			t.Error("a frame can be sent after a close frame")
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

// BenchmarkFrame measures what it costs a writer to frame a chunk and pass it to the kernel, which
// does nothing with it.
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
