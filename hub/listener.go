package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"time"
)

// sendBuffer limits what the kernel holds for one viewer, in bytes. By default, the kernel
// holds megabytes for a viewer that doesn't read, and filling the buffers of many such viewers
// slows down a flood of output (docs/facts.md, hub).
const sendBuffer = 256 << 10

// keepAlive makes the kernel find out that a silent peer has vanished without closing its connection
// (tcp(7)). That takes 24 s, less than any pause after which wsrun itself sends something: while bytes are on
// their way, the kernel sends no probes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 9 * time.Second, Interval: 5 * time.Second, Count: 3}

// Listener returns a listener whose connections viewers can be served on; together with
// [ConnContext], it belongs to one [net/http.Server]. Closing the result closes l.
//
// Accept's errors are temporary, except [net.ErrClosed]: net/http stops serving after most
// other errors. Accept calls failed with each temporary error, from the goroutine that accepts.
func (s *Sessions) Listener(l net.Listener, failed func(error)) net.Listener {
	return listener{l, s.clock, s.o.Panics, failed}
}

type listener struct {
	net.Listener
	clock  *awakeClock
	panics *Panics
	failed func(error) // called with each temporary error
}

var errPanicked = errors.New("accepting a connection panicked")

// Accept implements [net.Listener]. After an error, net/http waits up to a second. A panic costs the
// connection that was being accepted.
func (l listener) Accept() (accepted net.Conn, failure error) {
	var c net.Conn
	defer l.panics.Contain("accept a connection", func() {
		accepted, failure = nil, temporaryError{errPanicked}
		if c != nil {
			c.Close()
		}
	})
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
	if t, ok := c.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(keepAlive)
	}
	return &conn{Conn: c, clock: l.clock, panics: l.panics, fd: descriptorOf(c)}, nil
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
