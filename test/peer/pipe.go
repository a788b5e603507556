// Package peer gives a test full control of the client's side of a connection: a WebSocket
// client that works at the level of bytes, and a listener that lives within the process.
package peer

import (
	"context"
	"net"
)

// A PipeListener accepts connections made by its Dial method, within the process, so that
// tests can use synctest's fake clock. The connections are unbuffered: if a client stops
// reading, the server's next write blocks. Its methods may be called concurrently.
type PipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

// Listen returns a new listener. The caller must close it, once.
func Listen() *PipeListener { return &PipeListener{make(chan net.Conn), make(chan struct{})} }

// Accept implements [net.Listener]. After Close the error is [net.ErrClosed].
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. Connections that were accepted stay open.
func (l *PipeListener) Close() error { close(l.done); return nil }

// Addr implements [net.Listener]. The address can't be dialed.
func (l *PipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// Dial connects to the listener, whatever the network and address, and waits until Accept takes
// the connection. It has the signature of [net/http.Transport.DialContext].
func (l *PipeListener) Dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l.conns <- far
	return near, nil
}
