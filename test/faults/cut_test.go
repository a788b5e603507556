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

// A cut ends a viewer's connection after so many bytes.
type cut struct {
	sent  bool // by the viewer, else by wsrun
	after int
	reset bool // RST, else FIN
}

// cuts returns every cut of a request of the given length, and then of the answer,
// n in all.
func cuts(request, n int) (all []cut) {
	for k := range request {
		all = append(all, cut{true, k, false}, cut{true, k, true})
	}
	for k := 0; len(all) < n; k++ {
		all = append(all, cut{false, k, false}, cut{false, k, true})
	}
	return all
}

// Viewers are cut off at every byte of the handshake, the hello and the backlog.
// One that comes again after each cut misses nothing and gets nothing twice.
func TestCuts(t *testing.T) {
	c := newCanary(t, plainSong)
	watching := len(c.viewers) - 2 // by WebSocket
	await(t, latest, "the canary's viewers are there", func() bool { return c.watching() == watching })
	before := c.descriptors()

	all := cuts(len(upgrade(c.addr, "", "wsrun.v1")), 10_000)
	if !*long {
		// The handshake, hello and first backlog end within 3,000 bytes.
		all = all[:3_000]
		random(t).Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	}
	var f follower
	for i, k := range all[:times(500, 10_000)] {
		f.connect(t, c, k)
		if i%5 == 4 {
			f.catchUp(t, c)
		}
	}
	if _, _, err := f.seen(); err != nil || f.lines == 0 || f.hellos == 0 {
		t.Errorf("the viewer that was cut saw %d lines in %d connections: %v", f.lines, f.hellos, err)
	}
	t.Attr("promise", "a viewer that is cut off at any byte misses nothing when it comes again")
	t.Attr("figure", fmt.Sprintf("%d cuts; %d lines in %d connections", times(500, 10_000), f.lines, f.hellos))
	await(t, latest, "the viewers that were cut are gone", func() bool {
		return c.watching() == watching && c.descriptors() <= before+4 // keep-alive connections of ours
	})
	c.finish()
}

// catchUp follows until nothing is missing, so that the cuts to come hit a live
// stream, too, and not only ever the same backlog.
func (f *follower) catchUp(t *testing.T, c *canary) {
	conn := c.dial()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(latest))
	s, err := open(conn, c.addr, f.query(), "wsrun.v1")
	if err == nil {
		f.enough = true
		err = f.follow(s)
		f.enough = false
	}
	if err != errEnough {
		t.Error(err)
	}
}

// connect follows until the cut.
func (f *follower) connect(t *testing.T, c *canary, k cut) {
	conn := c.dial().(*net.TCPConn)
	conn.SetDeadline(time.Now().Add(latest))
	defer func() {
		if k.reset {
			conn.SetLinger(0)
		} else {
			conn.CloseWrite()
			// Closed with something unread it would be a RST all the same.
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
