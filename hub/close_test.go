package hub

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/watch"
)

// A stalled viewer that wakes up in time is closed with status 4008.
func TestStalledViewerThatWakesGets4008(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		b.Write([]byte(strings.Repeat("x", 1<<20)))
		time.Sleep(stallTime + giveUpTime*2/3)
		if r, err := watch.Viewer(client.New(c), -1); err != nil || r.Code != protocol.CloseTooSlow {
			t.Errorf("closed with %v, %v; want %d", r.Code, err, protocol.CloseTooSlow)
		}
	})
}

// The connection of a stalled viewer that doesn't wake up is closed.
func TestStalledViewerIsClosed(t *testing.T) {
	inTime(t, func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn) {
		c := dial(&websocket.DialOptions{})
		b.Write([]byte(strings.Repeat("x", 1<<20)))
		time.Sleep(stallTime + giveUpTime + 2*progressInterval)
		if c.Write(t.Context(), websocket.MessageText, []byte("?")) == nil {
			t.Error("its connection is still open")
		}
	})
}

// Of two viewers, only the one that reads nothing is dropped, with status 4008.
func TestStalledViewerIsDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for stallTime")
	}
	t.Parallel()
	b := serve(t, broadcaster.Options{})
	stalled := b.dialNarrow()
	good := b.dial("", "wsrun.v1")
	const total = 64 << 20
	done := make(chan error, 1)
	go func() {
		r, err := watch.Viewer(good, -1)
		if err == nil && len(r.Data) != total && !strings.Contains(fmt.Sprint(r.Events), "reset") {
			err = fmt.Errorf("%d bytes, %q", len(r.Data), r.Events)
		}
		done <- err
	}()
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range total / len(line) {
		b.Write(line)
	}
	deadline := time.Now().Add(stallTime + giveUpTime + 5*time.Second)
	for viewers := 2; viewers > 1; {
		if time.Now().After(deadline) {
			t.Fatal("the stalled viewer is still there")
		}
		var changed <-chan struct{}
		if viewers, changed = b.hub.audience.count(); viewers > 1 {
			select {
			case <-changed:
			case <-time.After(time.Until(deadline)):
			}
		}
	}
	b.end(0)
	if err := <-done; err != nil {
		t.Errorf("the other viewer: %v", err)
	}
	stalled.Close()
}
