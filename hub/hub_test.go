package hub

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/peer"
	"wsrun/test/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fixture is a stream that is served on loopback by the hub alone.
type fixture struct {
	*broadcaster.Broadcaster
	t        testing.TB
	hub      *Hub
	sessions *Sessions
	http     http.Server
	addr     string
}

// serve returns a fixture whose stream keeps what o says. It stops at the end of the test.
func serve(t testing.TB, o broadcaster.Options) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, o)
}

// serveOn is serve with the test's own listener.
func serveOn(t testing.TB, l net.Listener, o broadcaster.Options) *fixture {
	t.Helper()
	return serveHub(t, l, Options{Stream: broadcaster.New(o), Started: time.Now()})
}

// serveHub is serveOn with the test's own stream.
func serveHub(t testing.TB, l net.Listener, o Options) *fixture {
	t.Helper()
	stream := o.Stream
	f := &fixture{
		Broadcaster: stream, t: t, addr: l.Addr().String(),
		hub:      New(o),
		sessions: NewSessions(SessionOptions{Deflate: true, Log: slog.New(slog.DiscardHandler)}),
	}
	f.http = http.Server{Handler: f, ConnContext: ConnContext}
	done := make(chan error)
	go func() { done <- f.http.Serve(f.sessions.Listener(l, func(err error) { t.Error(err) })) }()
	t.Cleanup(func() {
		stream.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		defer context.AfterFunc(ctx, f.sessions.Cut)()
		f.http.Shutdown(ctx)
		f.sessions.Wait()
		f.hub.Close()
		f.sessions.Cut()
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve = %v", err)
		}
	})
	return f
}

// ServeHTTP serves a WebSocket to requests that ask for one, and answers all others with ok.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		io.WriteString(w, "ok\n")
		return
	}
	q := r.URL.Query()
	number := func(name string) int {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil {
			n = -1
		}
		return n
	}
	session, err := f.sessions.Enter(r)
	if err != nil {
		f.t.Error(err)
		return
	}
	at := Position{Lines: number("n"), Epoch: q.Get("epoch"), Offset: int64(number("offset"))}
	f.sessions.ServeWebSocket(w, session, f.hub, Join{Position: at, Deflate: q.Get("deflate") != "0"})
}

// end ends the stream with an exit status.
func (f *fixture) end(code int) {
	f.Emit(broadcaster.Exit{Code: code})
	f.Close()
}

// dial connects a viewer with a query such as "?n=0": a viewer of wsrun.v1, or a plain one if
// there is no subprotocol. The connection is closed at the end of the test.
func (f *fixture) dial(query string, subprotocols ...string) *client.Viewer {
	f.t.Helper()
	return f.dialBy(http.DefaultClient, query, subprotocols...)
}

// dialBy is dial with the test's own HTTP client.
func (f *fixture) dialBy(by *http.Client, query string, subprotocols ...string) *client.Viewer {
	f.t.Helper()
	v, err := client.Dial(f.t.Context(), "ws://"+f.addr+"/"+query, client.Options{HTTPClient: by, Plain: len(subprotocols) == 0})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(v.Close)
	return v
}

// dialNarrow connects a wsrun.v1 viewer with a small receive buffer, which stalls soon if it
// doesn't read.
func (f *fixture) dialNarrow() *client.Viewer { return f.dialSlow(protocol.Subprotocol) }

// dialSlow is dialNarrow with the test's own subprotocols.
func (f *fixture) dialSlow(subprotocols ...string) *client.Viewer {
	f.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(128 << 10)
		}
		return c, err
	}}
	return f.dialBy(&http.Client{Transport: transport}, "", subprotocols...)
}

// inTime runs f in a synctest bubble with a server, whose viewers dial through pipes. The pipes
// have no buffer, so a viewer that doesn't read stalls at once.
func inTime(t *testing.T, f func(t *testing.T, b *broadcaster.Broadcaster, dial func(*websocket.DialOptions) *websocket.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := peer.Listen()
		b := serveOn(t, l, broadcaster.Options{}).Broadcaster
		f(t, b, func(o *websocket.DialOptions) *websocket.Conn {
			o.Subprotocols = []string{protocol.Subprotocol}
			o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: l.Dial}}
			c, _, err := websocket.Dial(t.Context(), "ws://pipe/", o)
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadLimit(-1)
			t.Cleanup(func() { c.CloseNow() })
			return c
		})
	})
}

// awaitSlots waits until want slots are taken.
func (f *fixture) awaitSlots(want int) {
	f.t.Helper()
	wait.For(f.t, wait.Patience, fmt.Sprintf("not %d slots are taken", want), func() bool {
		taken, _ := f.sessions.Slots()
		return taken == want
	})
}
