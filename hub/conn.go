package hub

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// stallTime is how long a viewer may take nothing before it is dropped.
	stallTime = 10 * time.Second
	// lookTime is how often a write that does not get on looks for progress.
	lookTime = 500 * time.Millisecond

	// sendBuffer is what the kernel may hold for one viewer, in bytes. Left alone
	// it holds megabytes for one that does not read: filling those of 200 takes
	// longer than the flood itself.
	sendBuffer = 256 << 10
)

var errStalled = errors.New("the viewer takes nothing")

// A conn is a connection whose writes go on for as long as the viewer takes some
// bytes at least every stallTime, however long they are; then they fail with
// errStalled. A deadline for the whole would drop those that are merely slow.
type conn struct {
	net.Conn
	takesNothing atomic.Bool // not even the end of TLS

	mu sync.Mutex
	fd int // of Conn, for try; -1 when it is closed, or is no socket
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.mu.Lock()
	c.fd = -1 // soon another file's
	c.mu.Unlock()
	return c.Conn.Close()
}

// supportsNonblock tells whether try can be used.
func (c *conn) supportsNonblock() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fd >= 0
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (int, error) {
	rest := net.Buffers{p}
	err := c.send(&rest)
	n := len(p)
	for _, b := range rest {
		n -= len(b)
	}
	return n, err
}

// send writes b in as few system calls as there can be. After an error b is what
// was not written.
func (c *conn) send(b *net.Buffers) error {
	for since := time.Now(); ; {
		if c.takesNothing.Load() {
			return errStalled
		}
		c.Conn.SetWriteDeadline(time.Now().Add(min(lookTime, stallTime-time.Since(since))))
		n, err := b.WriteTo(c.Conn)
		switch {
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case n > 0:
			since = time.Now()
		case time.Since(since) >= stallTime:
			c.takesNothing.Store(true)
		}
	}
}

// stalled reports whether writes have failed since the viewer takes nothing.
func (c *conn) stalled() bool { return c.takesNothing.Load() }

// giveUp writes b to one that has stalled, if it wakes within the time given.
func (c *conn) giveUp(b net.Buffers, within time.Duration) error {
	c.SetWriteDeadline(time.Now().Add(within))
	_, err := b.WriteTo(c.Conn)
	return err
}

// temporaryError is an error that net/http tries again after.
type temporaryError struct{ error }

func (temporaryError) Temporary() bool { return true }
func (temporaryError) Timeout() bool   { return false }
func (p temporaryError) Unwrap() error { return p.error }

// Listener returns l with connections that viewers can be served on. Its errors are all
// temporary, but for that of a closed listener: net/http would stop serving at most of
// them. It calls failed with each.
func Listener(l net.Listener, failed func(error)) net.Listener { return listener{l, failed} }

type listener struct {
	net.Listener
	failed func(error) // called with each
}

// Accept implements [net.Listener]. After an error net/http waits, up to a second.
func (l listener) Accept() (net.Conn, error) {
	// When a thousand come at once, each that was taken gets a turn before the next is: else
	// all wait for a processor together, and the viewers' output behind them. An early
	// viewer's then comes 51 ms late at worst, instead of 63 (medians of 21).
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

// A tlsConn is a conn within TLS. A record that was begun can't be ended by other
// means: once stalled, it is of no use.
type tlsConn struct{ *tls.Conn }

// send writes b in as few records as there can be.
func (c tlsConn) send(b *net.Buffers) error {
	_, err := c.Write(slices.Concat(*b...))
	return err
}

// stalled reports what the connection below does.
func (c tlsConn) stalled() bool { return c.NetConn().(*conn).stalled() }

// delivered tells of the connection below.
func (c tlsConn) delivered() (acked, queued int64, ok bool) { return c.NetConn().(*conn).delivered() }

// giveUp does nothing.
func (tlsConn) giveUp(net.Buffers, time.Duration) error { return errStalled }
