package hub

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/test/watch"
)

// While viewers connect, the others are told their number at most once a second.
func TestViewersAreAnnouncedOnceASecond(t *testing.T) {
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
			go watch.Viewer(client.New(c), -1)
			b.Write([]byte("x")) // wakes the first viewer up
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
