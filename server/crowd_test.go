package server

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
)

// Viewers of every speed, of which some read nothing for a while, go into the crowd and
// out of it, and get what was written. While all have all, they cost one goroutine each.
func TestViewersOfEverySpeed(t *testing.T) {
	b := serve(t, Options{Source: Source{Stream: broadcaster.New(broadcaster.Options{Lines: 1 << 20, Bytes: 64 << 20})}})
	const viewers = 30
	before := runtime.NumGoroutine()
	var conns []*websocket.Conn
	for range viewers {
		conns = append(conns, b.dialNarrow())
	}
	waitFor(t, patience, "they cost more than a goroutine on each side", func() bool {
		return runtime.NumGoroutine() <= before+2*viewers+runtime.GOMAXPROCS(0)+2
	})
	type result struct {
		data []byte
		code websocket.StatusCode
	}
	results := make(chan result)
	halfway := make(chan struct{})
	for i, c := range conns {
		if i%2 > 0 {
			go func() { // its pings are answered in between
				for c.Ping(context.Background()) == nil {
					time.Sleep(time.Millisecond)
				}
			}()
		}
		go func() {
			var data []byte
			for reads := 0; ; reads++ {
				kind, p, err := c.Read(context.Background())
				if err != nil {
					results <- result{data, websocket.CloseStatus(err)}
					return
				}
				if kind == websocket.MessageBinary {
					data = append(data, p...)
				}
				if i%3 > 0 && reads == 7 {
					<-halfway // more than the sockets hold
				}
				if i%3 > 1 && reads%20 == 19 {
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			}
		}()
	}
	r := rand.New(rand.NewPCG(7, 8))
	var all bytes.Buffer
	for all.Len() < 4<<20 {
		p := make([]byte, r.IntN(60_000))
		for i := range p {
			p[i] = byte('a' + r.IntN(26))
		}
		all.Write(p)
		b.Write(p)
		if all.Len() > 2<<20 && all.Len()-len(p) <= 2<<20 {
			close(halfway)
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	b.end(0)
	for range conns {
		if got := <-results; !bytes.Equal(got.data, all.Bytes()) || got.code != websocket.StatusNormalClosure {
			t.Errorf("got %d of %d bytes, or others, and %v", len(got.data), all.Len(), got.code)
		}
	}
	if entered := b.srv.feed.crowd.entered; entered < viewers+10 {
		t.Errorf("%d times a viewer went into the crowd, want some of %d to go out and in again", entered, viewers)
	}
}
