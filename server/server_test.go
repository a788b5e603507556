package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/internal/plaintext"
	"wsrun/internal/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a server on loopback and the stream that it serves.
type bench struct {
	*broadcaster.Broadcaster
	t    testing.TB
	srv  *Server
	hub  *hub.Hub // of the stream; nil for another catalog
	addr string
	from byte // last number of the address that requests come from
}

// client returns a client of the address that requests come from.
func (b *bench) client() *http.Client {
	d := net.Dialer{}
	if b.from > 0 {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1+b.from)}
	}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
}

// forgive makes later requests come from another address, which has no wrong tries.
func (b *bench) forgive() { b.from++ }

// serve serves a catalog, or a new stream where o has none.
func serve(t testing.TB, o Options) *bench {
	t.Helper()
	return serveStream(t, hub.Options{}, o)
}

// serveStream serves a stream, a new one if about has none.
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

func (b *bench) end(code int) {
	b.Emit(broadcaster.Exit{Code: code})
	b.Close()
}

// get returns the answer to a request with the given headers, in pairs.
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

// raw sends what is written as it is and returns the answer's head; nil if there
// is none within 5 s.
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

// dial dials as a viewer of wsrun.v1, or as a plain one if there is no subprotocol.
func (b *bench) dial(query string, subprotocols ...string) *client.Viewer {
	b.t.Helper()
	return b.dialBy(http.DefaultClient, query, subprotocols...)
}

func (b *bench) dialBy(by *http.Client, query string, subprotocols ...string) *client.Viewer {
	b.t.Helper()
	v, err := client.Dial(b.t.Context(), "ws://"+b.addr+"/"+query, client.Options{HTTPClient: by, Plain: len(subprotocols) == 0})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(v.Close)
	return v
}

// dialNarrow dials with a small receive buffer, so that a viewer that does not
// read stalls soon.
func (b *bench) dialNarrow() *client.Viewer { return b.dialSlow(protocol.Subprotocol) }

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

func TestEachForm(t *testing.T) {
	b := serveStream(t, hub.Options{Title: "<make>", Command: []string{"make"}}, Options{})
	b.Emit(broadcaster.Resize{Cols: 80, Rows: 24})
	b.Write([]byte("\x1b[31mone\x1b[0m\r\n50 %\r100 %\r\nthree"))
	b.end(3)
	raw := "\x1b[31mone\x1b[0m\r\n50 %\r100 %\r\nthree"
	for _, tt := range []struct{ path, accept, kind, want string }{
		{"/", "*/*", "text/plain; charset=utf-8", "one\n100 %\nthree"},
		{"/", "", "text/plain; charset=utf-8", "one\n100 %\nthree"},
		{"/?n=2", "*/*", "text/plain; charset=utf-8", "100 %\nthree"},
		{"/?n=0", "*/*", "text/plain; charset=utf-8", ""},
		{"/?tail=1", "*/*", "text/plain; charset=utf-8", "one\n100 %\nthree"},
		{"/?format=raw", "*/*", "text/plain; charset=utf-8", raw},
		{"/?format=raw&tail=1&n=1", "text/html", "text/plain; charset=utf-8", "three"},
		{"/", "text/event-stream", "text/event-stream", "id: 14\ndata: one\n\nid: 26\ndata: 100 %\n\nid: 31\ndata: three\n\n" +
			"event: exit\nid: 31\ndata: {\"event\":\"exit\",\"code\":3,\"signal\":\"\",\"durationMs\":0}\n\n"},
		{"/-/healthz", "", "text/plain; charset=utf-8", "ok\n"},
	} {
		resp, body := b.get(tt.path, "Accept", tt.accept)
		if body != tt.want || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != tt.kind {
			t.Errorf("%s, %s: %s, %s, %q; want %q", tt.path, tt.accept, resp.Status, resp.Header.Get("Content-Type"), body, tt.want)
		}
	}
	resp, page := b.get("/", "Accept", "text/html,*/*;q=0.8")
	if !strings.Contains(page, "&lt;make&gt;") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: %v, %q", resp.Header, page)
	}
	for path, want := range map[string]int{"/?n=x": 400, "/?tail=2": 400, "/?format=x": 400, "/?offset=-1&epoch=x": 400, "/?offset=1": 400, "/?n=%zz": 400, "/x": 404, "/-/x": 404, "/-/static/../static.go": 404, "/-/static/static.go": 404} {
		if resp, _ := b.get(path); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
	if resp, body := b.get("/", "Accept", "text/event-stream", "Last-Event-ID", "26"); !strings.HasPrefix(body, "id: 31\ndata: three\n\n") {
		t.Errorf("resumed events: %s, %q", resp.Status, body)
	}
	if resp, _ := b.get("/", "Accept", "text/event-stream", "Last-Event-ID", "31"); resp.StatusCode != 204 {
		t.Errorf("events resumed at the end: %s, want 204", resp.Status)
	}
	var st streamStatus
	if _, body := b.get("/-/status"); json.Unmarshal([]byte(body), &st) != nil || st.State != "ended" || st.Exit.Code != 3 || st.End != 31 || st.Lines != 3 || st.Cols != 80 {
		t.Errorf("status: %s", body)
	}
}

func TestWebSocket(t *testing.T) {
	b := serveStream(t, hub.Options{Title: "t", Command: []string{"make"}}, Options{})
	b.Emit(broadcaster.Resize{Cols: 80, Rows: 24})
	b.Write([]byte("one\r\n"))
	early := b.dial("", "wsrun.v1")
	plain := b.dial("")
	first, err := watch(early, 5)
	if h := first.hello; err != nil || h.Epoch != b.Epoch() || h.Line != 1 || h.Cols != 80 || h.State != "running" || h.Resumed {
		t.Fatalf("hello = %+v, %v", h, err)
	}
	b.Emit(broadcaster.Resize{Cols: 90, Rows: 24})
	b.Write([]byte("two\xff\r\n"))
	b.end(7)
	rest, err := watch(early, -1)
	want := []string{`0 {"event":"resize","cols":90,"rows":24}`, `6 {"event":"exit","code":7,"signal":"","durationMs":0}`}
	if err != nil || string(rest.data) != "two\xff\r\n" || fmt.Sprint(rest.events) != fmt.Sprint(want) || rest.code != 1000 {
		t.Errorf("early: %q, %q, %v, %v", rest.data, rest.events, rest.code, err)
	}
	if r, err := watch(plain, -1); err != nil || string(r.data) != "one\r\ntwo\uFFFD\r\n" || r.code != 1000 {
		t.Errorf("plain: %q, %v, %v", r.data, r.code, err)
	}
	late, err := watch(b.dial("?n=1", "wsrun.v1"), -1)
	if err != nil || late.hello.Line != 2 || late.hello.Offset != 5 || late.hello.State != "ended" || string(late.data) != "two\xff\r\n" || late.code != 1000 {
		t.Errorf("late: %+v, %v", late, err)
	}
	resumed, err := watch(b.dial(fmt.Sprintf("?epoch=%s&offset=8", b.Epoch()), "wsrun.v1"), -1)
	if err != nil || !resumed.hello.Resumed || resumed.hello.Offset != 8 || string(resumed.data) != "\xff\r\n" {
		t.Errorf("resumed: %+v, %v", resumed, err)
	}
}

func TestStopping(t *testing.T) {
	b := serve(t, Options{})
	c := b.dial("", "wsrun.v1")
	b.Close()
	if r, err := watch(c, -1); err != nil || r.code != protocol.CloseStopping {
		t.Errorf("closed with %v, %v; want 1001", r.code, err)
	}
}

func TestAViewerThatSpeaksIsClosed(t *testing.T) {
	b := serve(t, Options{})
	var codes []int
	for _, sub := range []string{"wsrun.v1", "other"} {
		c, _, err := websocket.Dial(t.Context(), "ws://"+b.addr+"/", &websocket.DialOptions{Subprotocols: []string{sub}})
		if err != nil {
			t.Fatal(err)
		}
		v := client.New(c)
		defer v.Close()
		if err := c.Write(t.Context(), websocket.MessageText, []byte("rm -rf /")); err != nil {
			t.Fatal(err)
		}
		tooLong := time.AfterFunc(20*time.Second, v.Close)
		r, err := watch(v, -1)
		codes = append(codes, r.code)
		if err != nil || r.code != protocol.CloseSpoke {
			t.Errorf("closed with %v, %v; want 1008", r.code, err)
		}
		tooLong.Stop()
	}
	t.Attr("promise", "viewers can't write: one that speaks is closed")
	t.Attr("figure", fmt.Sprintf("with %d and %d, of wsrun.v1 and a plain one", codes[0], codes[1]))
}

// TestEveryByte sends every byte value, characters cut everywhere, and noise.
func TestEveryByte(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 1 << 20})}, Options{})
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	for range 500 {
		all = append(all, "aä€𝄞"...)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1 << 20 {
		all = append(all, byte(rng.Uint32()))
	}
	v1, plain := b.dial("", "wsrun.v1"), b.dial("")
	var wg sync.WaitGroup
	wg.Go(func() {
		if r, err := watch(v1, -1); err != nil || !bytes.Equal(r.data, all) || r.code != 1000 {
			t.Errorf("wsrun.v1: %d bytes of %d, %v, %v", len(r.data), len(all), r.code, err)
		}
	})
	wg.Go(func() {
		var whole plaintext.Decoder
		want := append(bytes.Clone(whole.Decode(bytes.Clone(all))), whole.Flush()...)
		var got []byte
		for {
			m, err := plain.Next(context.Background())
			if err != nil {
				if client.CloseCode(err) != 1000 {
					t.Error(err)
				}
				break
			}
			if !utf8.Valid(m.Payload) {
				t.Errorf("a frame is not valid UTF-8: %q", m.Payload)
			}
			got = append(got, m.Payload...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("plain: %d bytes, want %d", len(got), len(want))
		}
	})
	for i := range 256 + 5000 { // single bytes first, then pieces
		b.Write(all[i : i+1])
		if i%16 == 0 {
			b.Emit(broadcaster.Resize{Cols: 80 + i%2, Rows: 24}) // publishes
		}
	}
	for at := 256 + 5000; at < len(all); {
		n := min(1+rng.IntN(9000), len(all)-at)
		b.Write(all[at : at+n])
		at += n
	}
	b.end(0)
	wg.Wait()
	t.Attr("promise", "whatever the bytes, viewers get them all; those of text frames valid UTF-8")
	t.Attr("figure", fmt.Sprintf("%d bytes", len(all)))
	if _, body := b.get("/?format=raw"); body != string(all) {
		t.Errorf("raw: %d bytes, want %d", len(body), len(all))
	}
}

// TestResumes cuts viewers off at 10,000 random places while a source floods, and
// lets them come back with what they have.
func TestResumes(t *testing.T) {
	resumes, workers := 10_000, 8
	if testing.Short() {
		resumes = 1000
	}
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 4000})}, Options{})
	at := func(i int64) byte { // lines of 41 bytes
		if i%41 == 40 {
			return '\n'
		}
		return 'a' + byte((i*11+i/41)%26)
	}
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		p := make([]byte, 4100)
		for done := int64(0); ; done += int64(len(p)) {
			for i := range p {
				p[i] = at(done + int64(i))
			}
			b.Write(p)
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	var viewers sync.WaitGroup
	var mu sync.Mutex
	count := map[string]int{}
	for w := range workers {
		viewers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			offset := int64(-1)
			for range resumes / workers {
				var from client.Position
				asked := offset
				if offset >= 0 {
					if rng.IntN(20) == 0 {
						asked = max(0, offset-400_000) // out of the ring
					}
					from = client.Position{Epoch: b.Epoch(), Offset: asked}
				}
				v, err := client.Dial(context.Background(), "ws://"+b.addr+"/", client.Options{Position: from})
				if err != nil {
					t.Error(err)
					return
				}
				r, err := watch(v, 1+rng.IntN(3000))
				v.Close()
				h := r.hello
				if err != nil || h.Line != h.Offset/41+1 || len(r.events) > 0 {
					t.Errorf("%+v, %q, %v", h, r.events, err)
					return
				}
				if h.Resumed != (h.Offset == asked) || asked >= 0 && !h.Resumed && h.Offset < asked {
					t.Errorf("asked for %d, got %+v", asked, h)
					return
				}
				for i, x := range r.data {
					if x != at(h.Offset+int64(i)) {
						t.Errorf("wrong byte at %d", h.Offset+int64(i))
						return
					}
				}
				offset = h.Offset + int64(len(r.data))
				mu.Lock()
				count[fmt.Sprint(h.Resumed)]++
				mu.Unlock()
			}
		})
	}
	viewers.Wait()
	close(stop)
	flood.Wait()
	t.Attr("promise", "a viewer that comes back goes on with the very next byte, or is told what it has missed")
	t.Attr("figure", fmt.Sprintf("%d resumed, %d begun anew", count["true"], count["false"]))
	if count["true"] < resumes*8/10 || count["false"] < 10 {
		t.Errorf("resumed or not: %v", count)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	b := serve(t, Options{})
	c := b.dialNarrow()
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 32 << 10 {
		b.Write(line)
	}
	b.end(0)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	b.srv.Shutdown(ctx)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Shutdown took %v", took)
	}
	if _, err := watch(c, -1); errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
