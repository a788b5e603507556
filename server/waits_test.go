//go:build linux

package server

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"wsrun/hub"
	"wsrun/internal/logs"
	"wsrun/test/wait"
)

// A slowCatalog has a stream that is never ready: Open or Follow waits until its context is done.
type slowCatalog struct {
	Catalog
	opens bool          // Open doesn't wait
	over  chan struct{} // closed when the test ends

	began, ended, left atomic.Int64
}

// wait waits until ctx is done, or the test.
func (c *slowCatalog) wait(ctx context.Context) {
	c.began.Add(1)
	select {
	case <-ctx.Done():
		c.ended.Add(1)
	case <-c.over:
	}
}

func (c *slowCatalog) Open(ctx context.Context, path string, filter logs.Filter) (Stream, error) {
	if !c.opens {
		c.wait(ctx)
		return nil, ErrBusy
	}
	s, err := c.Catalog.Open(ctx, path, filter)
	return slowStream{s, c}, err
}

type slowStream struct {
	Stream
	catalog *slowCatalog
}

func (s slowStream) Follow(ctx context.Context) (*hub.Hub, func(), error) {
	s.catalog.wait(ctx)
	h, leave, err := s.Stream.Follow(ctx)
	return h, func() { leave(); s.catalog.left.Add(1) }, err
}

// Whatever a request waits for, the wait ends when the client leaves, even if the client has sent another
// byte before: net/http then doesn't notice that it leaves.
func TestWaitsEndWithTheirClient(t *testing.T) {
	for _, step := range []string{"compile", "open", "follow"} {
		for _, header := range []string{"", wantsEvents, upgrades, upgradesV1} {
			t.Run(fmt.Sprintf("%s %q", step, header), func(t *testing.T) {
				c := &slowCatalog{Catalog: newLogFile(t), opens: step != "open", over: make(chan struct{})}
				o := Options{Catalog: c}
				if step == "compile" {
					o.compile = func(ctx context.Context, _ string, _ bool) (logs.Filter, error) {
						c.wait(ctx)
						return logs.Filter{}, ctx.Err()
					}
				}
				b := serve(t, o)
				defer close(c.over)
				conn, err := net.Dial("tcp", b.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "GET /a.log?tail=1&grep=x HTTP/1.1\r\nHost: %s\r\n%s\r\n", b.addr, header)
				wait.For(t, wait.Patience, "the request doesn't wait", func() bool { return c.began.Load() > 0 })
				conn.Write([]byte("G"))
				conn.Close()
				wait.For(t, wait.Patience, "the wait goes on", func() bool { return c.ended.Load() > 0 })
				wait.For(t, wait.Patience, "the slot stays taken", func() bool {
					taken, _ := b.srv.sessions.Slots()
					return taken == 0 && (step != "follow" || c.left.Load() == 1)
				})
			})
		}
	}
}
