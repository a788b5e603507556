package hub

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
)

// inTime runs f in a bubble of time with a server, whose viewers dial through
// pipes. The pipes have no buffer: a viewer that does not read stalls at once.
func inTime(t *testing.T, f func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := peer.Listen()
		b := serveOn(t, l, broadcaster.Options{}).Broadcaster
		f(t, b, func(o *websocket.DialOptions) *websocket.Conn {
			o.Subprotocols = []string{protocol.Subprotocol}
			o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: l.Dial}}
			c, _, err := websocket.Dial(t.Context(), "ws://pipe/", o)
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadLimit(-1)
			t.Cleanup(func() { c.CloseNow() })
			return c
		})
	})
}

func TestPings(t *testing.T) {
	inTime(t, func(t *testing.T, _ *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		last := time.Now()
		var gaps []time.Duration
		c := dial(&websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			return true
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		events := 0
		for {
			_, p, err := c.Read(ctx)
			if err != nil {
				break
			}
			if string(p) == `{"event":"ping"}` {
				events++
			}
		}
		if last.Add(time.Minute).Before(time.Now()) {
			t.Errorf("dropped %v ago, though it answers", time.Since(last))
		}
		slices.Sort(gaps)
		if len(gaps) < 120 || gaps[0] < 20*time.Second || gaps[len(gaps)-1] > 30*time.Second || gaps[0] == gaps[len(gaps)-1] {
			t.Errorf("%d pings in an hour, %v to %v apart; want 25 s ± 5 s", len(gaps), gaps[0], gaps[len(gaps)-1])
		}
		if events < len(gaps)-1 || events > len(gaps)+1 {
			t.Errorf("%d events of %d pings", events, len(gaps))
		}
	})
}

func TestAViewerThatDoesNotAnswerPingsIsDropped(t *testing.T) {
	inTime(t, func(t *testing.T, _ *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		var pinged time.Time
		c := dial(&websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
			pinged = time.Now()
			return false
		}})
		var err error
		for err == nil {
			_, _, err = c.Read(t.Context())
		}
		if took := time.Since(pinged); pinged.IsZero() || took < pongTime || took > pongTime+time.Second {
			t.Errorf("dropped %v after the ping, %v; want %v", took, err, pongTime)
		}
	})
}

func TestAStalledViewerThatWakesLearnsWhy(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		b.Write([]byte(strings.Repeat("x", 1<<20)))
		time.Sleep(stallTime + giveUpTime*2/3)
		if r, err := watch(client.New(c), -1); err != nil || r.code != protocol.CloseTooSlow {
			t.Errorf("closed with %v, %v; want %d", r.code, err, protocol.CloseTooSlow)
		}
	})
}

func TestAStalledViewerThatDoesNotWakeIsClosed(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		b.Write([]byte(strings.Repeat("x", 1<<20)))
		time.Sleep(stallTime + giveUpTime + 2*lookTime)
		if c.Write(t.Context(), websocket.MessageText, []byte("?")) == nil {
			t.Error("its connection is still open")
		}
	})
}

// A slow viewer's pings are answered between frames, and do it no harm.
func TestASlowViewerThatPings(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		b.Write([]byte(strings.Repeat("x", 60_000)))
		b.Emit(broadcaster.Exit{})
		b.Close()
		ponged := make(chan error, 1)
		go func() { ponged <- c.Ping(t.Context()) }()
		time.Sleep(stallTime * 8 / 10)
		if r, err := watch(client.New(c), -1); err != nil || len(r.data) != 60_000 || r.code != 1000 {
			t.Errorf("%d bytes, %v, %v", len(r.data), r.code, err)
		}
		if err := <-ponged; err != nil {
			t.Errorf("no pong: %v", err)
		}
	})
}

// One that takes a little now and then is slow, not stalled.
func TestASlowViewerIsKept(t *testing.T) {
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

func TestTheAudienceIsToldOnceASecond(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		first := dial(&websocket.DialOptions{})
		var told []time.Time
		last := make(chan struct{})
		go func() {
			for {
				_, p, err := first.Read(context.Background())
				if err != nil {
					return
				}
				if strings.Contains(string(p), `"event":"viewers"`) {
					told = append(told, time.Now())
				}
				if string(p) == `{"event":"viewers","n":21}` {
					close(last)
				}
			}
		}()
		for range 20 {
			c := dial(&websocket.DialOptions{})
			go watch(client.New(c), -1)
			b.Write([]byte("x")) // which wakes the first
			time.Sleep(announceInterval / 5)
		}
		<-last
		for i := 1; i < len(told); i++ {
			if gap := told[i].Sub(told[i-1]); gap < announceInterval {
				t.Errorf("told twice within %v", gap)
			}
		}
		if len(told) < 4 {
			t.Errorf("told %d times in 4 s", len(told))
		}
	})
}
