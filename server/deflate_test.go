package server

import (
	"testing"

	"wsrun/internal/protocol"

	"github.com/coder/websocket"
)

func TestDeflateIsOptional(t *testing.T) {
	for _, tt := range []struct {
		query  string
		server bool
		want   bool
	}{{"?deflate=0", true, false}, {"", false, false}, {"", true, true}} {
		b := serve(t, Options{Deflate: tt.server})
		c, resp, err := websocket.Dial(t.Context(), "ws://"+b.addr+"/"+tt.query, &websocket.DialOptions{
			Subprotocols: []string{protocol.Subprotocol}, CompressionMode: websocket.CompressionContextTakeover,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if answer := resp.Header.Get("Sec-WebSocket-Extensions"); (answer != "") != tt.want {
			t.Errorf("%+v: answered %q", tt, answer)
		}
	}
	if _, err := parseQuery("deflate=2"); err == nil {
		t.Error("deflate=2 is taken")
	}
}
