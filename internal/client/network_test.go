package client_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
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
	sessions := hub.NewSessions(hub.SessionOptions{Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	go func() { done <- server.Serve(sessions.Listener(l, func(err error) { t.Error(err) })) }()
	t.Cleanup(func() {
		for _, s := range n.streams {
			s.Close()
		}
		server.Shutdown(context.Background())
		sessions.Cut()
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
