package server

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/client"
)

// A bench is a server on loopback, together with the stream that it serves.
type bench struct {
	*broadcaster.Broadcaster
	t    testing.TB
	srv  *Server
	hub  *hub.Hub // of the stream; nil for another catalog
	addr string
	from byte // distinguishes the client's addresses; see forgive
}

// client returns a client that dials from the current address.
func (b *bench) client() *http.Client {
	d := net.Dialer{}
	if b.from > 0 {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1+b.from)}
	}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
}

// forgive makes later requests come from another address, which has no failed attempts to log
// in.
func (b *bench) forgive() { b.from++ }

// serve serves o's catalog or, if it has none, a new stream.
func serve(t testing.TB, o Options) *bench {
	t.Helper()
	return serveStream(t, hub.Options{}, o)
}

// serveStream serves a stream, which is a new one if about has none.
func serveStream(t testing.TB, about hub.Options, o Options) *bench {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(o.Host, "127.0.0.1"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	if about.Stream == nil {
		about.Stream = broadcaster.New(broadcaster.Options{})
	}
	about.Started = time.Now()
	b := &bench{Broadcaster: about.Stream, t: t, addr: l.Addr().String()}
	o.Addr = l.Addr()
	if o.Catalog == nil {
		b.hub = hub.New(about)
		o.Catalog = single{b.hub}
	}
	b.srv = New(o)
	done := make(chan error)
	go func() { done <- b.srv.Serve(l) }()
	t.Cleanup(func() {
		b.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		b.srv.Shutdown(ctx)
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve = %v", err)
		}
	})
	return b
}

// end ends the stream with an exit status.
func (b *bench) end(code int) {
	b.Emit(broadcaster.Exit{Code: code})
	b.Close()
}

// get sends a GET request with headers, given in pairs, and returns the response and its body.
func (b *bench) get(path string, headers ...string) (*http.Response, string) {
	b.t.Helper()
	r, _ := http.NewRequest("GET", "http://"+b.addr+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	resp, err := b.client().Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(body)
}

// raw sends the exact bytes of a request and returns the response's header, or nil if there is
// none within 5 s.
func (b *bench) raw(request string) *http.Response {
	b.t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		b.t.Log(err)
	}
	return resp
}

// dial connects a viewer of wsrun.v1, or a plain one if there is no subprotocol. The connection
// is closed at the end of the test.
func (b *bench) dial(query string, subprotocols ...string) *client.Viewer {
	b.t.Helper()
	return b.dialBy(http.DefaultClient, query, subprotocols...)
}

// dialBy is dial with the test's own HTTP client.
func (b *bench) dialBy(by *http.Client, query string, subprotocols ...string) *client.Viewer {
	b.t.Helper()
	v, err := client.Dial(b.t.Context(), "ws://"+b.addr+"/"+query, client.Options{HTTPClient: by, Plain: len(subprotocols) == 0})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(v.Close)
	return v
}

// dialSlow dials with a small receive buffer, so that a viewer that reads nothing soon stalls.
func (b *bench) dialSlow(subprotocols ...string) *client.Viewer {
	b.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(128 << 10)
		}
		return c, err
	}}
	return b.dialBy(&http.Client{Transport: transport}, "", subprotocols...)
}
