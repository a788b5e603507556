package hub

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
)

// A viewer that accepts a little now and then is slow, not stalled.
func TestSlowViewerStays(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		const size = 40_000
		b.Write([]byte(strings.Repeat("x", size)))
		var got int
		for got < size {
			kind, r, err := c.Reader(t.Context())
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			for p := make([]byte, 4096); ; time.Sleep(stallTime * 9 / 10) {
				n, err := r.Read(p)
				if kind == websocket.MessageBinary {
					got += n
				}
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("after %d bytes: %v", got, err)
				}
			}
		}
	})
}

// A client has about responseTime for a response that ends on its own, and longer if it takes more
// than responseRate; a stream has no such limit.
func TestResponseHasDeadline(t *testing.T) {
	const size = 2 << 20
	for _, tt := range []struct {
		name   string
		stream bool
		rate   int // bytes a second that the client takes
		most   time.Duration
		whole  bool
	}{
		{"too slow", false, 1 << 10, responseTime + 5*time.Second, false},
		{"nearly too slow", false, responseRate + 1<<10, 3 * time.Minute, true},
		{"a stream", true, 1 << 10, time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := &conn{Conn: far, clock: newAwakeClock(ctx, nil)}
				c.begin(tt.stream)
				var reading sync.WaitGroup
				defer reading.Wait()
				reading.Go(func() {
					for p := make([]byte, tt.rate); ; time.Sleep(time.Second) {
						if _, err := io.ReadFull(near, p); err != nil {
							return
						}
					}
				})
				began := time.Now()
				n, err := c.Write(make([]byte, size))
				if took := time.Since(began); took > tt.most || (err == nil) != tt.whole || (n == size) != tt.whole {
					t.Errorf("wrote %d bytes in %v: %v", n, took, err)
				}
				if !tt.whole && n < int(responseTime/time.Second)*tt.rate {
					t.Errorf("only %d bytes were written", n)
				}
				c.begin(false)
				if c.stalled() == (err == nil) {
					t.Errorf("stalled = %v after %v", c.stalled(), err)
				}
				far.Close()
			})
		})
	}
}

// A read deadline doesn't count the time during which wsrun stood still.
func TestReadDeadlineStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		c := &conn{Conn: far, clock: new(awakeClock)} // stands still
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		go func() {
			time.Sleep(time.Minute)
			near.Write([]byte("x"))
			time.Sleep(time.Second)
			c.clock.ticks.Add(int64(5 * time.Second / awakeTick))
		}()
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %d, %v", n, err)
		}
		go func() {
			time.Sleep(time.Second)
			c.SetReadDeadline(time.Unix(1, 0)) // as net/http does to interrupt a read
		}()
		c.SetReadDeadline(time.Now().Add(time.Hour))
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("interrupted Read = %d, %v", n, err)
		}
		far.Close()
	})
}

// A clock counts ticks, and misses those of a pause.
func TestAwakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newAwakeClock(ctx, nil)
		time.Sleep(10*time.Second + awakeTick/2)
		if c.now() != 10*time.Second {
			t.Errorf("after 10 s, the clock shows %v", c.now())
		}
		cancel()
		c.running.Wait()
	})
}
