package server

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/filetail"
	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/internal/logs"
	"wsrun/internal/protocol"
	"wsrun/test/watch"
)

// A logFile is a catalog of one file, /a.log. Its followers see it truncated twice, first
// within a line.
type logFile struct {
	Catalog // of the file's folder
	dir     string
	asked   atomic.Int64 // calls of methods that could reveal something about the file
	hub     *hub.Hub     // for followers
}

const logContent = "hush, hush\n"

func newLogFile(t *testing.T) *logFile {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte(logContent), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := filetail.NewRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	b := broadcaster.New(broadcaster.Options{})
	io.WriteString(b, logContent+"half")
	b.Emit(hub.FileEvent{State: "truncated", Lost: 12})
	io.WriteString(b, "new\n")
	b.Emit(hub.FileEvent{State: "truncated"})
	io.WriteString(b, "end\n")
	b.Flush()
	return &logFile{
		Catalog: Files(logs.New(logs.Options{Root: root, Lines: 100, Bytes: 1 << 20})),
		dir:     dir, hub: hub.New(hub.Options{Stream: b, Kind: hub.File, Title: "/a.log", LF: true, Ephemeral: true}),
	}
}

func (l *logFile) Open(ctx context.Context, path string, filter logs.Filter) (Stream, error) {
	l.asked.Add(1)
	s, err := l.Catalog.Open(ctx, filepath.Join(l.dir, path), filter)
	return logFileStream{s, l}, err
}

func (l *logFile) List(context.Context) (*List, error) {
	l.asked.Add(1)
	return newList([]entry{{Path: "/a.log"}}, false), nil
}

func (l *logFile) End() {
	l.Catalog.End()
	l.hub.Stream.Close()
}

func (l *logFile) Close() {
	l.hub.Close()
	l.Catalog.Close()
}

// A logFileStream is the file, opened.
type logFileStream struct {
	Stream
	log *logFile
}

func (logFileStream) Title() string { return "/a.log" }

func (f logFileStream) Follow(context.Context) (*hub.Hub, func(), error) {
	f.log.asked.Add(1)
	return f.log.hub, func() {}, nil
}

// TestFileEvents covers how each form reports that a file was truncated. Only the first
// truncation lost unread bytes.
func TestFileEvents(t *testing.T) {
	b := serve(t, Options{Catalog: newLogFile(t)})
	// read returns a response's body up to the stream's last line.
	read := func(headers ...string) string {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+b.addr+"/a.log?tail=1"+headers[0], nil)
		for i := 1; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := b.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got []byte
		for p := make([]byte, 1); !bytes.HasSuffix(got, []byte("end\n")); got = append(got, p...) {
			if _, err := io.ReadFull(resp.Body, p); err != nil {
				t.Fatalf("%v after %q", err, got)
			}
		}
		return string(got)
	}
	const text = logContent + "half\n[wsrun: the file was truncated, at least 12 bytes of it unread]\n" +
		"new\n[wsrun: the file was truncated]\nend\n"
	if got := read(""); got != text {
		t.Errorf("as text %q, want %q", got, text)
	}
	if got, want := read("&format=raw"), logContent+"halfnew\nend\n"; got != want {
		t.Errorf("as bytes %q, want %q", got, want)
	}
	const first, second = `{"event":"file","state":"truncated","reason":"","lost":12}`, `{"event":"file","state":"truncated","reason":""}`
	if got := read("", "Accept", "text/event-stream"); strings.Count(got, "data: "+first+"\n") != 1 || strings.Count(got, "data: "+second+"\n") != 1 {
		t.Errorf("as events %q", got)
	}
	r, err := watch.Viewer(b.dial("a.log?tail=1", protocol.Subprotocol), len(logContent+"halfnew\nend\n"))
	if err != nil || len(r.Events) != 2 || r.Events[0] != "15 "+first || r.Events[1] != "19 "+second {
		t.Errorf("wsrun.v1: %q, %v", r.Events, err)
	}
	v, got := b.dial("a.log?tail=1"), ""
	for !strings.HasSuffix(got, "end\n") {
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got += string(m.Payload)
	}
	if want := logContent + "half\nnew\nend\n"; got != want {
		t.Errorf("plain WebSocket %q, want %q", got, want)
	}
}

// TestDepth checks that the page fits into 64 KiB however deep its path is: strangers get it,
// too.
func TestDepth(t *testing.T) {
	b := serve(t, Options{Catalog: newLogFile(t), Token: "secret"})
	for depth, want := range map[int]int{maxDepth: 200, maxDepth + 1: 404} {
		resp, body := b.get(strings.Repeat("/a", depth), "Accept", "text/html")
		if resp.StatusCode != want || len(body) > 64<<10 {
			t.Errorf("%d folders: %s, %d bytes", depth, resp.Status, len(body))
		}
	}
}

// TestFilesAreGuarded checks that Host, Origin and token are checked first, for every route
// and form: without them, no file is even looked up.
func TestFilesAreGuarded(t *testing.T) {
	log := newLogFile(t)
	b := serve(t, Options{Catalog: log, Token: "secret"})
	_, port, _ := net.SplitHostPort(b.addr)
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	forms := []struct {
		path    string
		headers []string
		page    bool // the page needs no token, because it asks for it
	}{
		{"/a.log", nil, false},
		{"/a.log?n=1&grep=h", nil, false},
		{"/a.log?tail=1", nil, false},
		{"/a.log?format=raw", nil, false},
		{"/a.log?format=raw", []string{"Range", "bytes=0-3"}, false},
		{"/a.log?format=raw", []string{"Accept", "text/html"}, false},
		{"/a.log", []string{"Accept", "text/event-stream"}, false},
		{"/a.log", append([]string{"Sec-WebSocket-Protocol", protocol.Subprotocol}, ws...), false},
		{"/a.log?tail=1", ws, false},
		{"/a.log?tail=1", append([]string{"Accept", "text/html"}, ws...), false},
		{"/a.log", []string{"Accept", "text/html"}, true},
		{"/none.log", nil, false},
		{"/none.log", []string{"Accept", "text/html"}, true},
		{"/none.log", ws, false},
		{"/-/none", []string{"Accept", "text/html"}, false},
		{"/-/status", nil, false},
		{"/", nil, false},
		{"/", []string{"Accept", "application/json"}, false},
		{"/", []string{"Accept", "text/html"}, true},
		{"/", ws, false},
	}
	good := []string{"Host", "localhost:" + port, "Authorization", "Bearer secret"}
	for _, tt := range []struct {
		what    string
		headers []string
		want    int
	}{
		{"another host", []string{"Host", "evil.example:" + port, "Authorization", "Bearer secret"}, 421},
		{"another port", []string{"Host", "localhost:1", "Authorization", "Bearer secret"}, 421},
		{"another origin", append([]string{"Origin", "http://evil.example"}, good...), 403},
		{"no origin at all", append([]string{"Origin", "null"}, good...), 403},
		{"no token", good[:2], 401},
		{"a wrong token", []string{"Authorization", "Bearer wrong"}, 401},
		{"a wrong cookie", []string{"Cookie", "wsrun_" + port + "=secret"}, 401},
	} {
		for _, form := range forms {
			resp, body := b.get(form.path, append(form.headers, tt.headers...)...)
			want := tt.want
			if form.page && want == 401 {
				want = 200
			}
			if tt.what == "a wrong token" && resp.StatusCode == 429 {
				want = 429 // there have been too many wrong tokens by now
			}
			if resp.StatusCode != want || strings.Contains(body, "hush") || strings.Contains(body, "a.log") {
				t.Errorf("%s: %s %q: %s, %.200q; want %d", tt.what, form.path, form.headers, resp.Status, body, want)
			}
		}
	}
	if n := log.asked.Load(); n != 0 {
		t.Errorf("files were looked up %d times", n)
	}
	// The throttle forgets within a second.
	for resp, _ := b.get("/-/status", good...); resp.StatusCode == 429; resp, _ = b.get("/-/status", good...) {
		time.Sleep(50 * time.Millisecond)
	}
	if resp, body := b.get("/a.log", good...); resp.StatusCode != 200 || body != logContent {
		t.Errorf("with all that: %s, %q", resp.Status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	header := http.Header{"Authorization": {"Bearer secret"}, "Origin": {"http://localhost:" + port}}
	v, err := client.Dial(ctx, "ws://"+b.addr+"/a.log", client.Options{Header: header, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if m, err := v.Next(ctx); err != nil || string(m.Payload) != logContent {
		t.Errorf("by WebSocket: %q, %v", m.Payload, err)
	}
}
