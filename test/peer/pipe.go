// Package peer is the other side of a server's connections, under a test's control: to the
// byte, or within the process.
package peer

import (
	"context"
	"net"
)

// A PipeListener listens within the process, so that synctest can turn time. Its
// connections have no buffer: a peer that does not read stalls its writer at once.
type PipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

// Listen returns a PipeListener; Close ends it.
func Listen() *PipeListener { return &PipeListener{make(chan net.Conn), make(chan struct{})} }

// Accept implements [net.Listener].
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *PipeListener) Close() error { close(l.done); return nil }

// Addr implements [net.Listener].
func (l *PipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// Dial connects, whatever the address. It is made for [net/http.Transport].
func (l *PipeListener) Dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l.conns <- far
	return near, nil
}
