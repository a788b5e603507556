package hub

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// stallTime is how long a viewer may accept no byte before it is dropped.
	stallTime = 10 * time.Second
	// progressInterval is how often a blocked write checks whether the viewer has accepted
	// anything.
	progressInterval = 500 * time.Millisecond
)

var errStalled = errors.New("the viewer takes nothing")

// A sender is a viewer's connection: a conn or a tlsConn. One goroutine at a time may write.
type sender interface {
	net.Conn
	// send writes the buffers in as few pieces as possible, however long that takes, as long
	// as the viewer accepts a byte at least every stallTime; otherwise it fails with
	// errStalled. After an error of a conn, the buffers hold what was not written.
	send(*net.Buffers) error
	// stalled reports whether a write has failed with errStalled; all later ones will.
	stalled() bool
	// delivered returns the number of bytes that the viewer's system has acknowledged so far,
	// and of those that it hasn't acknowledged yet. ok reports whether the system knows.
	delivered() (acked, queued int64, ok bool)
	// giveUp writes the buffers to a viewer that has stalled, within a limited time.
	giveUp(b net.Buffers, within time.Duration) error
}

// A conn is a connection whose writes may take any time, as long as the viewer accepts some
// bytes at least every stallTime. Otherwise they fail with errStalled. A deadline for a whole
// write would drop viewers that are merely slow.
type conn struct {
	net.Conn
	hasStalled atomic.Bool // no write works any more, not even TLS's closing alert

	mu sync.Mutex
	fd int // Conn's, for writeNonblock; -1 if Conn is closed, or not a socket
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.mu.Lock()
	c.fd = -1 // the system reuses the number for the next file it opens
	c.mu.Unlock()
	return c.Conn.Close()
}

// supportsNonblock reports whether writeNonblock works.
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

// send implements sender with writev(2).
func (c *conn) send(b *net.Buffers) error {
	for since := time.Now(); ; {
		if c.hasStalled.Load() {
			return errStalled
		}
		c.Conn.SetWriteDeadline(time.Now().Add(min(progressInterval, stallTime-time.Since(since))))
		n, err := b.WriteTo(c.Conn)
		switch {
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case n > 0:
			since = time.Now()
		case time.Since(since) >= stallTime:
			c.hasStalled.Store(true)
		}
	}
}

// stalled implements sender.
func (c *conn) stalled() bool { return c.hasStalled.Load() }

// giveUp implements sender.
func (c *conn) giveUp(b net.Buffers, within time.Duration) error {
	c.SetWriteDeadline(time.Now().Add(within))
	_, err := b.WriteTo(c.Conn)
	return err
}

// A tlsConn is a conn inside TLS. A TLS record that was begun can't be completed later, so a
// tlsConn that has stalled is useless.
type tlsConn struct{ *tls.Conn }

// send implements sender: it writes as few TLS records as possible.
func (c tlsConn) send(b *net.Buffers) error {
	_, err := c.Write(slices.Concat(*b...))
	return err
}

// stalled implements sender.
func (c tlsConn) stalled() bool { return c.NetConn().(*conn).stalled() }

// delivered implements sender. It counts encrypted bytes.
func (c tlsConn) delivered() (acked, queued int64, ok bool) { return c.NetConn().(*conn).delivered() }

// giveUp implements sender by failing at once.
func (tlsConn) giveUp(net.Buffers, time.Duration) error { return errStalled }
