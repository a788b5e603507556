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
	"time"

	"go.uber.org/goleak"

	"wsrun/broadcaster"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fixture is a stream whose viewers are served on loopback, by the hub alone.
type fixture struct {
	*broadcaster.Broadcaster
	t        testing.TB
	hub      *Hub
	sessions *Sessions
	http     http.Server
	addr     string
}

// serve serves a stream that keeps what o says.
func serve(t testing.TB, o broadcaster.Options) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, o)
}

// serveOn is serve for a listener of the test's.
func serveOn(t testing.TB, l net.Listener, o broadcaster.Options) *fixture {
	t.Helper()
	b := broadcaster.New(o)
	f := &fixture{
		Broadcaster: b, t: t, addr: l.Addr().String(),
		hub:      New(Options{Stream: b, Started: time.Now()}),
		sessions: NewSessions(SessionOptions{Deflate: true, Log: slog.New(slog.DiscardHandler)}),
	}
	f.http = http.Server{Handler: f, ConnContext: ConnContext}
	done := make(chan error)
	go func() { done <- f.http.Serve(Listener(l, func(err error) { t.Error(err) })) }()
	t.Cleanup(func() {
		b.Close()
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

// ServeHTTP upgrades all that ask for it, and answers everything else with ok.
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
	f.sessions.ServeWebSocket(w, session, f.hub, Join{at, q.Get("deflate") != "0"})
}

func (f *fixture) end(code int) {
	f.Emit(broadcaster.Exit{Code: code})
	f.Close()
}

// dial dials as a viewer of wsrun.v1, or as a plain one if there is no subprotocol.
func (f *fixture) dial(query string, subprotocols ...string) *client.Viewer {
	f.t.Helper()
	return f.dialBy(http.DefaultClient, query, subprotocols...)
}

func (f *fixture) dialBy(by *http.Client, query string, subprotocols ...string) *client.Viewer {
	f.t.Helper()
	v, err := client.Dial(f.t.Context(), "ws://"+f.addr+"/"+query, client.Options{HTTPClient: by, Plain: len(subprotocols) == 0})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(v.Close)
	return v
}

// dialNarrow dials with a small receive buffer, so that a viewer that does not
// read stalls soon.
func (f *fixture) dialNarrow() *client.Viewer { return f.dialSlow(protocol.Subprotocol) }

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

// A report is what a viewer has got.
type report struct {
	data   []byte
	hello  protocol.HelloEvent
	events []string // the others but viewers and ping, with their place
	code   int
}

// watch reads a viewer to its end, or until it has had limit bytes.
func watch(v *client.Viewer, limit int) (r report, err error) {
	for limit < 0 || len(r.data) < limit {
		m, err := v.Next(context.Background())
		if err != nil {
			if r.code = client.CloseCode(err); r.code == 0 {
				return r, err
			}
			return r, nil
		}
		switch e := m.Event.(type) {
		case nil:
			r.data = append(r.data, m.Payload...)
		case protocol.HelloEvent:
			r.hello = e
		case protocol.ViewersEvent, protocol.PingEvent:
		default:
			r.events = append(r.events, fmt.Sprintf("%d %s", len(r.data), m.Payload))
		}
	}
	return r, nil
}

// awaitSlots waits until so many slots are taken.
func (f *fixture) awaitSlots(want int) {
	f.t.Helper()
	wait.For(f.t, wait.Patience, fmt.Sprintf("not %d slots are taken", want), func() bool {
		taken, _ := f.sessions.Slots()
		return taken == want
	})
}
