package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stream is a broadcaster whose viewers the hub serves.
type stream struct {
	*broadcaster.Broadcaster
	hub      *hub.Hub
	sessions *hub.Sessions
}

func newStream(b *broadcaster.Broadcaster) *stream {
	return &stream{
		Broadcaster: b, hub: hub.New(hub.Options{Stream: b, Kind: hub.Command, Title: "make", Started: time.Now()}),
		sessions: hub.NewSessions(hub.SessionOptions{Deflate: true, MaxViewers: 2, Log: slog.New(slog.DiscardHandler)}),
	}
}

// end ends the stream as a command that exits with a status.
func (s *stream) end(code int) {
	s.Emit(broadcaster.Exit{Code: code})
	s.Close()
}

// stop waits until all viewers have left, of whom no more come, and ends the hub.
func (s *stream) stop() {
	s.sessions.Wait()
	s.sessions.Cut()
	s.hub.Close()
}

// awaitNobody waits until all viewers have left.
func (s *stream) awaitNobody(t *testing.T) {
	t.Helper()
	wait.For(t, wait.Patience, "a viewer stays", func() bool {
		taken, _ := s.sessions.Slots()
		return taken == 0
	})
}

func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session, err := s.sessions.Enter(r)
	if err != nil {
		s.sessions.TurnAway(w, r, err, func() {})
		return
	}
	number := func(name string) int {
		n, err := strconv.Atoi(r.FormValue(name))
		if err != nil {
			n = -1
		}
		return n
	}
	s.sessions.ServeWebSocket(w, session, s.hub, hub.Join{
		Position: hub.Position{Lines: number("n"), Epoch: r.FormValue("epoch"), Offset: int64(number("offset"))}, Deflate: true,
	})
}

// A network is a server and the connections to it, which a test can cut.
type network struct {
	t       *testing.T
	handler atomic.Pointer[http.Handler]
	url     string
	http    *http.Client
	conns   chan net.Conn // of the viewers, as they dial
	streams []*stream     // that were served
}

// listen serves on l whatever handler there is, until the test's end.
func listen(t *testing.T, l net.Listener, dial func(context.Context, string, string) (net.Conn, error)) *network {
	n := &network{t: t, url: "ws://" + l.Addr().String() + "/", conns: make(chan net.Conn, 1000)}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err == nil {
			n.conns <- c
		}
		return c, err
	}}
	n.http = &http.Client{Transport: transport}
	server := http.Server{
		Handler:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*n.handler.Load()).ServeHTTP(w, r) }),
		ConnContext: hub.ConnContext,
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(hub.Listener(l, func(err error) { t.Error(err) })) }()
	t.Cleanup(func() {
		for _, s := range n.streams {
			s.Close()
		}
		server.Shutdown(context.Background())
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve = %v", err)
		}
		for _, s := range n.streams {
			s.stop()
		}
	})
	return n
}

// onLoopback returns a network of TCP.
func onLoopback(t *testing.T) *network {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, l, new(net.Dialer).DialContext)
}

// inTime runs f in a bubble of time, with a network of pipes.
func inTime(t *testing.T, f func(t *testing.T, n *network)) {
	synctest.Test(t, func(t *testing.T) {
		l := peer.Listen()
		n := listen(t, l, l.Dial)
		n.url = "ws://pipe/"
		f(t, n)
	})
}

// serve makes the network serve a stream, until the test's end.
func (n *network) serve(o broadcaster.Options) *stream {
	s := newStream(broadcaster.New(o))
	n.streams = append(n.streams, s)
	n.handle(s)
	return s
}

func (n *network) handle(h http.Handler) { n.handler.Store(&h) }

// script makes the network serve WebSockets of wsrun.v1 to which talk is all there is.
func (n *network) script(talk func(ctx context.Context, c *websocket.Conn)) {
	n.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol.Subprotocol}})
		if err != nil {
			n.t.Error(err)
			return
		}
		defer c.CloseNow()
		talk(c.CloseRead(r.Context()), c)
	}))
}

func (n *network) dial(query string, o client.Options) *client.Viewer {
	n.t.Helper()
	o.HTTPClient = n.http
	v, err := client.Dial(n.t.Context(), n.url+query, o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(v.Close)
	return v
}

// next returns the next message but pings and numbers of viewers.
func next(t *testing.T, v *client.Viewer) client.Message {
	t.Helper()
	for {
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch m.Event.(type) {
		case protocol.PingEvent, protocol.ViewersEvent:
		default:
			return m
		}
	}
}

// hello returns the next message, which must be a hello.
func hello(t *testing.T, v *client.Viewer) protocol.HelloEvent {
	t.Helper()
	e, ok := next(t, v).Event.(protocol.HelloEvent)
	if !ok {
		t.Fatalf("no hello comes first, but %+v", e)
	}
	return e
}

// output reads output until there is as much as want, which it must be.
func output(t *testing.T, v *client.Viewer, want string) {
	t.Helper()
	var got string
	for len(got) < len(want) {
		m := next(t, v)
		if m.Event != nil {
			t.Fatalf("%s came after %q, want %q", m.Payload, got, want)
		}
		got += string(m.Payload)
	}
	if got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// rest reads to the end, which is an error.
func rest(v *client.Viewer) (data string, events []protocol.Event, err error) {
	for {
		m, err := v.Next(context.Background())
		switch m.Event.(type) {
		case nil:
			data += string(m.Payload)
		case protocol.PingEvent, protocol.ViewersEvent:
		default:
			events = append(events, m.Event)
		}
		if err != nil {
			return data, events, err
		}
	}
}

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
	} {
		n := onLoopback(t)
		n.script(func(ctx context.Context, c *websocket.Conn) {
			for _, m := range messages {
				kind := websocket.MessageText
				if m == "output" {
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
				time.Sleep(50 * time.Second)
				if err := c.Ping(ctx); err != nil {
					t.Error(err)
				}
			}
		}, 150*time.Second + time.Minute},
		"a long message": {func(ctx context.Context, c *websocket.Conn) {
			w, _ := c.Writer(ctx, websocket.MessageBinary)
			for range 3 {
				time.Sleep(50 * time.Second)
				w.Write(make([]byte, 8<<10)) // more than is held back
			}
		}, 150*time.Second + time.Minute},
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
