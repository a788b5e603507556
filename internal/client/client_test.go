package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

func TestViewer(t *testing.T) {
	for name, mode := range map[string]websocket.CompressionMode{
		"as it is": websocket.CompressionDisabled, "deflated": websocket.CompressionContextTakeover, "deflated alone": websocket.CompressionNoContextTakeover,
	} {
		t.Run(name, func(t *testing.T) {
			n := onLoopback(t)
			s := n.serve(broadcaster.Options{})
			s.Emit(broadcaster.Resize{Cols: 80, Rows: 24})
			s.Write([]byte("one\ntwo"))
			s.Flush()
			v := n.dial("?n=1", client.Options{Compression: mode})
			if p := v.Position(); p != (client.Position{}) {
				t.Errorf("before the hello the position is %+v", p)
			}
			at := func(offset, line int64) {
				t.Helper()
				if p, want := v.Position(), (client.Position{Epoch: s.Epoch(), Offset: offset, Line: line}); p != want {
					t.Errorf("the position is %+v, want %+v", p, want)
				}
			}
			h := hello(t, v)
			if h.Title != "make" || h.Kind != "command" || h.Cols != 80 || h.State != "running" || h.Resumed {
				t.Errorf("hello = %+v", h)
			}
			at(4, 2)
			output(t, v, "two")
			at(7, 2)
			more := strings.Repeat("more\n", 1000)
			s.Write([]byte(more))
			output(t, v, more)
			at(5007, 1002)
			s.Emit(broadcaster.Resize{Cols: 90, Rows: 30})
			m := next(t, v)
			if want := (protocol.ResizeEvent{Event: "resize", Cols: 90, Rows: 30}); m.Event != want || string(m.Payload) != string(protocol.Encode(want)) {
				t.Errorf("%s is %+v, want %+v", m.Payload, m.Event, want)
			}
			s.end(3)
			data, events, err := rest(v)
			if want := "[{exit 3  0}]"; data != "" || fmt.Sprint(events) != want || client.CloseCode(err) != protocol.CloseEnded || !client.Final(err) {
				t.Errorf("in the end %q, %+v, %v; want %s and 1000", data, events, err, want)
			}
			if _, again := v.Next(t.Context()); again != err {
				t.Errorf("then %v", again)
			}
			if again := v.Redial(t.Context()); again != err {
				t.Errorf("Redial = %v", again)
			}
			at(5007, 1002)
		})
	}
}

func TestPlain(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		s := n.serve(broadcaster.Options{})
		s.Write([]byte("one\xff\n"))
		v := n.dial("", client.Options{Plain: true})
		output(t, v, "one\uFFFD\n")
		if p := v.Position(); p != (client.Position{}) {
			t.Errorf("the position is %+v", p)
		}
		(<-n.conns).Close()
		if _, err := v.Next(t.Context()); err == nil || client.Final(err) {
			t.Errorf("without a connection: %v", err)
		}
		if err := v.Redial(t.Context()); err != nil {
			t.Fatal(err)
		}
		output(t, v, "one\uFFFD\n")
		s.end(0)
		if data, _, err := rest(v); data != "" || client.CloseCode(err) != protocol.CloseEnded {
			t.Errorf("in the end %q, %v", data, err)
		}
	})
}

func TestOptions(t *testing.T) {
	n := onLoopback(t)
	requests := make(chan *http.Request, 1)
	n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Clone(context.Background())
		w.WriteHeader(http.StatusTeapot)
	}))
	client.Dial(t.Context(), n.url+"a%2Fb?x=%zz#token=sesame", client.Options{HTTPClient: n.http, Header: http.Header{"Authorization": {"Bearer x"}}})
	got := <-requests
	if got.RequestURI != "/a%2Fb?x=%zz" || got.Header.Get("Authorization") != "Bearer x" || got.Header.Get("Sec-WebSocket-Protocol") != "wsrun.v1" || got.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("the request is %s with %v", got.RequestURI, got.Header)
	}
	at := client.Position{Epoch: "e&", Offset: 12}
	client.Dial(t.Context(), n.url+"?n=3&epoch=old", client.Options{HTTPClient: n.http, Compression: websocket.CompressionContextTakeover, Position: at})
	got = <-requests
	if got.FormValue("n") != "3" || got.FormValue("epoch") != "e&" || got.FormValue("offset") != "12" || got.Header.Get("Sec-WebSocket-Extensions") == "" {
		t.Errorf("the request is %s with %v", got.RequestURI, got.Header)
	}
	client.Dial(t.Context(), n.url, client.Options{HTTPClient: n.http, Plain: true, Position: at})
	got = <-requests
	if got.RequestURI != "/" || got.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Errorf("a plain viewer's request is %s with %v", got.RequestURI, got.Header)
	}
}

func TestPositionQuery(t *testing.T) {
	if q := (client.Position{Epoch: "e&", Offset: 12, Line: 3}).Query(); q != "epoch=e%26&offset=12" {
		t.Errorf("Query() = %q", q)
	}
	if q := (client.Position{}).Query(); q != "" {
		t.Errorf("nowhere is %q", q)
	}
}

// A viewer that was too slow is told what it has missed, and goes on behind that.
func TestReset(t *testing.T) {
	inTime(t, func(t *testing.T, n *network) {
		s := n.serve(broadcaster.Options{Lines: 10})
		v := n.dial("", client.Options{})
		hello(t, v)
		const lines = 1 << 20
		for range lines / 1024 { // the pipe takes none of it
			s.Write([]byte(strings.Repeat("line\n", 1024)))
		}
		s.end(0)
		resets := 0
		for {
			m, err := v.Next(t.Context())
			if err != nil {
				break
			}
			e, ok := m.Event.(protocol.ResetEvent)
			if !ok {
				continue
			}
			resets++
			if p := v.Position(); p.Offset != e.Offset || p.Line != e.Line || p.Epoch != s.Epoch() || e.SkippedBytes == 0 {
				t.Errorf("after %+v the position is %+v", e, p)
			}
		}
		if p := v.Position(); resets == 0 || p.Offset != lines*5 || p.Line != lines+1 {
			t.Errorf("%d resets; in the end the position is %+v", resets, p)
		}
	})
}

// The output that a prelude holds is before the viewer's position.
func TestKeptOutputIsBehind(t *testing.T) {
	n := onLoopback(t)
	s := n.serve(broadcaster.Options{Bytes: 600})
	s.Emit(broadcaster.Resize{Cols: 40, Rows: 10})
	s.Write([]byte("one\r\ntwo\r\n\x1b[?1049h\x1b[Hhello"))
	s.Write([]byte(strings.Repeat("\x1b[8;8H0123456789\r\n", 100)))
	s.Flush()
	end := s.Stats().End
	var v *client.Viewer
	var h protocol.HelloEvent
	for deadline := time.Now().Add(10 * time.Second); h.Offset != end || h.Kept == nil; v.Close() { // until the hub has drawn all
		if time.Now().After(deadline) {
			t.Fatalf("hello = %+v at %d", h, end)
		}
		s.awaitNobody(t)
		v = n.dial("", client.Options{})
		h = hello(t, v)
	}
	if kept := h.Kept.Of(h.Prelude); kept != "one\r\ntwo\r\n" || h.Kept.Offset != 0 {
		t.Errorf("%q is kept, from %d on", kept, h.Kept.Offset)
	}
	if p := v.Position(); p.Offset != end || p.Line != h.Line {
		t.Errorf("the position is %+v, want %d", p, end)
	}
	s.awaitNobody(t)
	s.Write([]byte("next"))
	v = n.dial("", client.Options{Position: v.Position()})
	if h := hello(t, v); !h.Resumed || h.Prelude != "" {
		t.Errorf("resumed with %+v", h)
	}
	output(t, v, "next")
}

// A Next that waits ends with its context, or by Close.
func TestCloseAndCancel(t *testing.T) {
	n := onLoopback(t)
	n.serve(broadcaster.Options{})
	v := n.dial("", client.Options{})
	hello(t, v)
	pinged := make(chan error)
	go func() { pinged <- v.Ping(context.Background()) }()
	ended := make(chan error)
	go func() { _, _, err := rest(v); ended <- err }()
	if err := <-pinged; err != nil {
		t.Errorf("Ping = %v", err)
	}
	v.Close()
	v.Close()
	if err := <-ended; err != net.ErrClosed || !client.Final(err) {
		t.Errorf("closed, Next = %v, final %v", err, client.Final(err))
	}
	if err := v.Redial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed, Redial = %v", err)
	}
	if err := v.Ping(t.Context()); err == nil {
		t.Error("a closed viewer gets a pong")
	}

	v = n.dial("", client.Options{})
	hello(t, v)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := v.Next(ctx); err != nil {
				ended <- err
				return
			}
		}
	}()
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("canceled, Next = %v", err)
	}
	if err := v.Redial(ctx); err != context.Canceled {
		t.Errorf("canceled, Redial = %v", err)
	}
}

// New decodes what comes by a WebSocket that the test has dialed.
func TestNew(t *testing.T) {
	n := onLoopback(t)
	s := n.serve(broadcaster.Options{})
	s.Write([]byte("one\n"))
	s.end(0)
	for _, protocols := range [][]string{nil, {protocol.Subprotocol}} {
		c, _, err := websocket.Dial(t.Context(), n.url, &websocket.DialOptions{HTTPClient: n.http, Subprotocols: protocols})
		if err != nil {
			t.Fatal(err)
		}
		v := client.New(c)
		defer v.Close()
		data, events, err := rest(v)
		if data != "one\n" || len(events) != 2*len(protocols) || client.CloseCode(err) != protocol.CloseEnded {
			t.Errorf("%q: %q, %+v, %v", protocols, data, events, err)
		}
		if err := v.Redial(t.Context()); err == nil {
			t.Error("it can be dialed again")
		}
	}
}
