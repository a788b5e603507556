package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A server that is silent is taken for dead, not one whose message takes long.
func TestSilence(t *testing.T) {
	hello := protocol.Encode(protocol.HelloEvent{Event: "hello"})
	for name, tt := range map[string]struct {
		talk func(ctx context.Context, c *websocket.Conn)
		want time.Duration
	}{
		"silent": {func(context.Context, *websocket.Conn) {}, time.Minute},
		"pings": {func(ctx context.Context, c *websocket.Conn) {
			for range 3 {
				time.Sleep(49 * time.Second) // not at the moment of a step
				if err := c.Ping(ctx); err != nil {
					t.Error(err)
				}
			}
		}, 3*49*time.Second + time.Minute},
		"a long message": {func(ctx context.Context, c *websocket.Conn) {
			w, _ := c.Writer(ctx, websocket.MessageBinary)
			for range 3 {
				time.Sleep(49 * time.Second) // not at the moment of a step
				w.Write(make([]byte, 8<<10)) // more than is held back
			}
		}, 3*49*time.Second + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, n *network) {
				n.script(func(ctx context.Context, c *websocket.Conn) {
					c.Write(ctx, websocket.MessageText, hello)
					tt.talk(ctx, c)
					<-ctx.Done()
				})
				v := n.dial("", client.Options{})
				next(t, v)
				begin := time.Now()
				_, err := v.Next(t.Context())
				if took := time.Since(begin); err != client.ErrSilent || took != tt.want || client.Final(err) {
					t.Errorf("%v after %v; want %v", err, took, tt.want)
				}
			})
		})
	}
	inTime(t, func(t *testing.T, n *network) { // it is the viewer that is busy
		n.script(func(ctx context.Context, c *websocket.Conn) {
			c.Write(ctx, websocket.MessageText, hello)
			time.Sleep(time.Hour - time.Second)
			c.Write(ctx, websocket.MessageBinary, []byte("output"))
			<-ctx.Done()
		})
		v := n.dial("", client.Options{})
		next(t, v)
		time.Sleep(time.Hour)
		output(t, v, "output")
	})
}
