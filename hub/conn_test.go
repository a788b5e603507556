package hub

import (
	"io"
	"strings"
	"testing"
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
