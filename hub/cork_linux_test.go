package hub

import (
	"bytes"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"wsrun/broadcaster"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// A lastConn is a listener that remembers the connection that it accepted last.
type lastConn struct {
	net.Listener
	accepted chan *net.TCPConn
}

func (l lastConn) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- c.(*net.TCPConn)
	}
	return c, err
}

// While a viewer has output to catch up on, its packets are filled. Once it has all, nothing that it is sent waits
// for more.
func TestOnlyViewersThatCatchUpAreCorked(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := lastConn{tcp, make(chan *net.TCPConn, 1)}
	b := serveOn(t, l, broadcaster.Options{Lines: 1 << 20, Bytes: 32 << 20})
	c := b.dialNarrow()
	raw, err := (<-l.accepted).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	corked := func() (on bool) {
		raw.Control(func(fd uintptr) {
			value, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK)
			on = err == nil && value == 1
		})
		return on
	}
	all := numbered(16 << 20)
	b.Write(all)
	wait.For(t, wait.Patience, "a viewer that is far behind isn't corked", corked)
	if r, err := watch.Viewer(c, len(all)); err != nil || !bytes.Equal(r.Data, all) {
		t.Fatalf("got %d of %d bytes, %v", len(r.Data), len(all), err)
	}
	wait.For(t, wait.Patience, "a viewer that has all is corked", func() bool { return !corked() })
}
