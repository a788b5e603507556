package hub

import (
	"bufio"
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
	// stallTime is how long a viewer may accept no byte before it is dropped. It is counted in
	// attempts of progressInterval each, so that a viewer isn't blamed for the time during which
	// wsrun itself stood still.
	stallTime        = 10 * time.Second
	progressInterval = 500 * time.Millisecond

	// A response that ends on its own may wait for its client for responseTime in all, and longer
	// if the client has accepted more than responseRate bytes in each second of that.
	responseTime = 30 * time.Second
	responseRate = 16 << 10

	// recordBytes is how much goes into a TLS record at most. A viewer that is waited for holds its record
	// twice, plain and encrypted, so a record isn't as large as it may be (RFC 8446, section 5.1).
	recordBytes = 4 << 10
)

var errStalled = errors.New("the viewer takes nothing")

// A sender is a viewer's connection: a conn or a tlsConn. One goroutine at a time may write. (TLS may also
// write while it reads, to answer its peer.)
type sender interface {
	net.Conn
	// send writes the buffers in as few pieces as possible, however long that takes, as long
	// as the viewer accepts a byte at least every stallTime; otherwise it fails with
	// errStalled. Afterwards the buffers are empty; after an error of a conn, they hold what was
	// not written.
	send(*net.Buffers) error
	// cork sets whether the system may wait for more to write before it sends less than a full packet.
	cork(bool)
	// begin begins a response. stream says that it is one that goes on until a stream ends;
	// otherwise the client has about responseTime to take it.
	begin(stream bool)
	// stalled reports whether a write has failed with errStalled; all later ones will.
	stalled() bool
	// gone reports whether the peer is known to have closed the connection. A read that is in progress
	// will notice that itself, so then gone always reports false, at no cost.
	gone() bool
	// unanswered reports whether the peer's system is known to have answered nothing for some 20 s, to
	// several attempts to deliver something.
	unanswered() bool
	// delivered returns the number of bytes that the viewer's system has acknowledged so far,
	// and of those that it hasn't acknowledged yet. ok reports whether the system knows.
	delivered() (acked, queued int64, ok bool)
	// giveUp writes the buffers to a viewer that has stalled, within a limited time.
	giveUp(b net.Buffers, within time.Duration) error
}

// A conn is a connection whose writes may take any time, as long as the viewer accepts some
// bytes at least every stallTime. Otherwise they fail with errStalled. A deadline for a whole
// write would drop viewers that are merely slow. But unless the conn carries a stream, a client
// must not take much longer than responseTime.
type conn struct {
	net.Conn
	clock      *awakeClock
	panics     *Panics
	hasStalled atomic.Bool // no write works any more, not even TLS's closing alert

	stream atomic.Bool  // the response goes on until the stream ends
	late   atomic.Int64 // ns that writes have waited for the client, less what responseRate allows

	reading atomic.Bool // a read is in progress

	mu     sync.Mutex
	fd     int           // Conn's, for writeNonblock; -1 if Conn is closed, or not a socket
	readBy time.Duration // by clock; zero if reads have no deadline in the future
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
	for idle := time.Duration(0); ; {
		if c.hasStalled.Load() {
			return errStalled
		}
		c.Conn.SetWriteDeadline(time.Now().Add(progressInterval))
		n, err := b.WriteTo(c.Conn)
		c.late.Add(-n * int64(time.Second) / responseRate)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		late := time.Duration(c.late.Add(int64(progressInterval)))
		if idle += progressInterval; n > 0 {
			idle = 0
		}
		if idle >= stallTime || !c.stream.Load() && late >= responseTime {
			c.hasStalled.Store(true)
		}
	}
}

// begin implements sender. TLS may be answering a message of the client meanwhile.
func (c *conn) begin(stream bool) {
	c.stream.Store(stream)
	c.late.Store(0)
}

// SetReadDeadline implements [net.Conn]. A deadline in the future doesn't count the time during which
// wsrun stands still.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = 0
	if left := time.Until(t); !t.IsZero() && left > 0 {
		c.readBy = c.clock.now() + left
	}
	return c.Conn.SetReadDeadline(t)
}

// Read implements [net.Conn]. A panic closes the connection: net/http reads in a goroutine of its own,
// where nothing else contains it.
func (c *conn) Read(p []byte) (read int, failure error) {
	defer c.panics.Contain("read from a connection", func() {
		read, failure = 0, net.ErrClosed
		c.Close()
	})
	c.reading.Store(true)
	defer c.reading.Store(false)
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.extendRead() {
			return n, err
		}
	}
}

// extendRead moves a read deadline that wsrun has missed because it stood still. It reports whether
// it did.
func (c *conn) extendRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.readBy - c.clock.now()
	if left <= 0 {
		return false
	}
	return c.Conn.SetReadDeadline(time.Now().Add(left)) == nil
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

// send implements sender: it writes as few TLS records of recordBytes as possible, and copies one at a time,
// because a slow viewer may take minutes for a message of megabytes. (crypto/tls makes the first records of a
// connection smaller.)
func (c tlsConn) send(b *net.Buffers) error {
	records := bufio.NewWriterSize(c.Conn, min(sizeOf(*b), recordBytes))
	for _, p := range *b {
		for piece := range slices.Chunk(p, recordBytes) { // bufio would pass on more than that at once
			if _, err := records.Write(piece); err != nil {
				return err
			}
		}
	}
	if err := records.Flush(); err != nil {
		return err
	}
	*b = (*b)[:0]
	return nil
}

// cork implements sender.
func (c tlsConn) cork(yes bool) { c.NetConn().(*conn).cork(yes) }

// begin implements sender.
func (c tlsConn) begin(stream bool) { c.NetConn().(*conn).begin(stream) }

// gone implements sender.
func (c tlsConn) gone() bool { return c.NetConn().(*conn).gone() }

// unanswered implements sender.
func (c tlsConn) unanswered() bool { return c.NetConn().(*conn).unanswered() }

// stalled implements sender.
func (c tlsConn) stalled() bool { return c.NetConn().(*conn).stalled() }

// delivered implements sender. It counts encrypted bytes.
func (c tlsConn) delivered() (acked, queued int64, ok bool) { return c.NetConn().(*conn).delivered() }

// giveUp implements sender by failing at once.
func (tlsConn) giveUp(net.Buffers, time.Duration) error { return errStalled }
