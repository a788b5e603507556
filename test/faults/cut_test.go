//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// A cut ends a viewer's connection after a number of bytes.
type cut struct {
	sent  bool // count the bytes that the viewer sends, rather than those that wsrun sends
	after int  // bytes
	reset bool // end the connection with RST rather than FIN
}

// cuts returns n cuts: all cuts of a request of that length, then cuts of the response.
func cuts(request, n int) (all []cut) {
	for k := range request {
		all = append(all, cut{true, k, false}, cut{true, k, true})
	}
	for k := 0; len(all) < n; k++ {
		all = append(all, cut{false, k, false}, cut{false, k, true})
	}
	return all
}

// TestCuts cuts a viewer off at every byte of the handshake, the hello and the backlog. After
// each cut, the viewer reconnects; it must miss nothing and get nothing twice.
func TestCuts(t *testing.T) {
	c := newCanary(t, plainLoad)
	watching := len(c.viewers) - 2 // by WebSocket
	await(t, maxDelay, "the canary's viewers are there", func() bool { return c.watching() == watching })
	before := c.descriptors()

	all := cuts(len(upgrade(c.addr, "", "wsrun.v1")), 10_000)
	if !*long {
		// The handshake, hello and first backlog end within 3,000 bytes.
		all = all[:3_000]
		random(t).Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	}
	var f follower
	for i, k := range all[:iterations(500, 10_000)] {
		f.connect(t, c, k)
		if i%5 == 4 {
			f.catchUp(t, c)
		}
	}
	if _, _, err := f.seen(); err != nil || f.lines == 0 || f.hellos == 0 {
		t.Errorf("the viewer that was cut saw %d lines in %d connections: %v", f.lines, f.hellos, err)
	}
	t.Attr("promise", "a viewer that is cut off at any byte misses nothing when it comes again")
	t.Attr("figure", fmt.Sprintf("%d cuts; %d lines in %d connections", iterations(500, 10_000), f.lines, f.hellos))
	await(t, maxDelay, "the viewers that were cut are gone", func() bool {
		return c.watching() == watching && c.descriptors() <= before+4 // our keep-alive connections
	})
	c.finish()
}

// catchUp follows until nothing is missing, so that later cuts also hit live output, rather than
// the same backlog again and again.
func (f *follower) catchUp(t *testing.T, c *canary) {
	conn := c.dial()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(maxDelay))
	s, err := open(conn, c.addr, f.query(), "wsrun.v1")
	if err == nil {
		f.untilCaughtUp = true
		err = f.follow(s)
		f.untilCaughtUp = false
	}
	if err != errCaughtUp {
		t.Error(err)
	}
}

// connect connects, resumes, and follows until the cut.
func (f *follower) connect(t *testing.T, c *canary, k cut) {
	conn := c.dial().(*net.TCPConn)
	conn.SetDeadline(time.Now().Add(maxDelay))
	defer func() {
		if k.reset {
			conn.SetLinger(0)
		} else {
			conn.CloseWrite()
			// Closing with unread data would send RST in any case.
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("%+v: wsrun does not close: %v", k, err)
			}
		}
		conn.Close()
	}()
	request := upgrade(c.addr, f.query(), "wsrun.v1")
	if k.sent {
		io.WriteString(conn, request[:min(k.after, len(request))])
		return
	}
	io.WriteString(conn, request)
	s := &socket{conn, bufio.NewReader(io.LimitReader(conn, int64(k.after)))}
	err := s.accepted()
	if err == nil {
		err = f.follow(s)
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		t.Errorf("%+v: %v", k, err)
	}
}
