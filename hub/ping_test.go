package hub

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/test/watch"
)

// A viewer gets a ping and a ping event every 25 s, give or take 5 s, and stays if it answers.
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
		if len(gaps) < 120 || gaps[0] < 14*time.Second || gaps[len(gaps)-1] > 20*time.Second || gaps[0] == gaps[len(gaps)-1] {
			t.Errorf("%d pings in an hour, %v to %v apart; want 17 s ± 3 s", len(gaps), gaps[0], gaps[len(gaps)-1])
		}
		if events < len(gaps)-1 || events > len(gaps)+1 {
			t.Errorf("%d events of %d pings", events, len(gaps))
		}
	})
}

// A viewer that doesn't answer a ping is dropped after pongTime.
func TestSilentViewerIsDropped(t *testing.T) {
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

// A slow viewer's pings are answered between frames, and don't get it dropped.
func TestSlowViewerGetsPong(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		b.Write([]byte(strings.Repeat("x", 60_000)))
		b.Emit(broadcaster.Exit{})
		b.Close()
		ponged := make(chan error, 1)
		go func() { ponged <- c.Ping(t.Context()) }()
		time.Sleep(stallTime * 8 / 10)
		if r, err := watch.Viewer(client.New(c), -1); err != nil || len(r.Data) != 60_000 || r.Code != 1000 {
			t.Errorf("%d bytes, %v, %v", len(r.Data), r.Code, err)
		}
		if err := <-ponged; err != nil {
			t.Errorf("no pong: %v", err)
		}
	})
}
