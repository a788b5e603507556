package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
)

// sendBuffer limits what the kernel holds for one viewer, in bytes. By default, the kernel
// holds megabytes for a viewer that doesn't read, and filling the buffers of many such viewers
// slows down a flood of output (docs/facts.md, hub).
const sendBuffer = 256 << 10

// Listener returns a listener whose connections viewers can be served on; together with
// [ConnContext], it belongs to one [net/http.Server]. Closing the result closes l.
//
// Accept's errors are temporary, except [net.ErrClosed]: net/http stops serving after most
// other errors. Accept calls failed with each temporary error, from the goroutine that accepts.
func Listener(l net.Listener, failed func(error)) net.Listener { return listener{l, failed} }

type listener struct {
	net.Listener
	failed func(error) // called with each temporary error
}

// Accept implements [net.Listener]. After an error, net/http waits up to a second.
func (l listener) Accept() (net.Conn, error) {
	// When a thousand viewers connect at once, give each accepted connection a turn before
	// the next is accepted. Otherwise all of them wait for a processor together, and the
	// output of earlier viewers waits behind them (docs/facts.md, hub).
	runtime.Gosched()
	c, err := l.Listener.Accept()
	if errors.Is(err, net.ErrClosed) {
		return nil, err
	}
	if err != nil {
		l.failed(err)
		return nil, temporaryError{err}
	}
	if sized, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		sized.SetWriteBuffer(sendBuffer)
	}
	return &conn{Conn: c, fd: descriptorOf(c)}, nil
}

// A temporaryError is an error after which net/http accepts again.
type temporaryError struct{ error }

func (temporaryError) Temporary() bool { return true }
func (temporaryError) Timeout() bool   { return false }
func (e temporaryError) Unwrap() error { return e.error }

// connection is the context key of a request's sender.
type connection struct{}

// ConnContext is the [net/http.Server.ConnContext] of a server on a [Listener], with or without
// TLS. It panics if c isn't a connection of a Listener.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connection{}, senderOf(c))
}

// senderOf returns the sender of a connection that a [Listener] has accepted.
func senderOf(c net.Conn) sender {
	if encrypted, ok := c.(*tls.Conn); ok {
		return tlsConn{encrypted}
	}
	return c.(*conn)
}
