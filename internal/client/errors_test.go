package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// Next returns how the server closed the connection, and Final what may change.
func TestCloseCodes(t *testing.T) {
	t.Run("stopping", func(t *testing.T) {
		n := onLoopback(t)
		s := n.serve(broadcaster.Options{})
		v := n.dial("", client.Options{})
		s.Close()
		if _, _, err := rest(v); client.CloseCode(err) != protocol.CloseStopping || client.Final(err) {
			t.Errorf("%v, final %v", err, client.Final(err))
		}
	})
	t.Run("full", func(t *testing.T) {
		n := onLoopback(t)
		n.serve(broadcaster.Options{})
		for range 2 {
			hello(t, n.dial("", client.Options{}))
		}
		_, err := n.dial("", client.Options{}).Next(t.Context())
		var closed client.CloseError
		if !errors.As(err, &closed) || closed.Code != protocol.CloseFull || closed.Reason == "" || client.Final(err) {
			t.Errorf("%v, final %v", err, client.Final(err))
		}
	})
	t.Run("too slow", func(t *testing.T) {
		inTime(t, func(t *testing.T, n *network) {
			s := n.serve(broadcaster.Options{})
			v := n.dial("", client.Options{})
			hello(t, v)
			s.Write([]byte(strings.Repeat("x", 1<<20)))
			time.Sleep(12 * time.Second)
			if _, _, err := rest(v); client.CloseCode(err) != protocol.CloseTooSlow || client.Final(err) {
				t.Errorf("%v, final %v", err, client.Final(err))
			}
		})
	})
	t.Run("spoke", func(t *testing.T) {
		n := onLoopback(t)
		n.script(func(_ context.Context, c *websocket.Conn) { c.Close(protocol.CloseSpoke, "viewers can only read") })
		_, err := n.dial("", client.Options{}).Next(t.Context())
		if want := (client.CloseError{Code: 1008, Reason: "viewers can only read"}); err != want || !client.Final(err) {
			t.Errorf("%v, final %v", err, client.Final(err))
		}
	})
}

// What a server must not send ends the connection, for good.
func TestServersThatViolateTheProtocol(t *testing.T) {
	hello := string(protocol.Encode(protocol.HelloEvent{Event: "hello"}))
	for name, messages := range map[string][]string{
		"output first":      {"output"},
		"an event first":    {`{"event":"ping"}`},
		"two hellos":        {hello, hello},
		"no JSON":           {hello, "{"},
		"an impossible one": {`{"event":"hello","offset":-1}`},
		"a huge message":    {hello, "output" + strings.Repeat(" ", 65<<20)},
	} {
		n := onLoopback(t)
		n.script(func(ctx context.Context, c *websocket.Conn) {
			for _, m := range messages {
				kind := websocket.MessageText
				if strings.HasPrefix(m, "output") {
					kind = websocket.MessageBinary
				}
				c.Write(ctx, kind, []byte(m))
			}
			<-ctx.Done()
		})
		v := n.dial("", client.Options{})
		_, _, err := rest(v)
		if client.CloseCode(err) != 0 || !client.Final(err) {
			t.Errorf("%s: %v, final %v", name, err, client.Final(err))
		}
		if again := v.Redial(t.Context()); again != err {
			t.Errorf("%s: Redial = %v", name, again)
		}
	}
	n := onLoopback(t)
	n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageBinary, []byte("output"))
		c.Read(r.Context())
	}))
	if _, err := client.Dial(t.Context(), n.url, client.Options{HTTPClient: n.http}); err == nil || !client.Final(err) {
		t.Errorf("without wsrun.v1: %v", err)
	}
	if _, _, err := rest(n.dial("", client.Options{Plain: true})); !client.Final(err) {
		t.Errorf("bytes for a plain viewer: %v", err)
	}
}

func TestRefused(t *testing.T) {
	n := onLoopback(t)
	for status, final := range map[int]bool{400: true, 401: true, 403: true, 404: true, 408: false, 421: true, 429: false, 502: false, 503: false} {
		n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "not now\x1b[2J", status)
		}))
		_, err := client.Dial(t.Context(), n.url, client.Options{HTTPClient: n.http})
		var refused client.RefusedError
		if !errors.As(err, &refused) || refused != (client.RefusedError{Status: status, Reason: "not now\x1b[2J", RetryAfter: 7 * time.Second}) {
			t.Errorf("%d: %+v", status, err)
		}
		if client.Final(err) != final || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%d: %q, final %v", status, err, client.Final(err))
		}
	}
	for address, want := range map[string]string{
		"ws://127.0.0.1:0/?q#token=sesame": "127.0.0.1:0", "ftp://x/#token=sesame": `"ftp"`, "ws://x:y/#token=sesame": "parse the URL", "ws://127.0.0.1:1/%zz#token=sesame": "parse the URL",
	} {
		if _, err := client.Dial(t.Context(), address, client.Options{}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "failed to") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
