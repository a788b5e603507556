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

	"wsrun/hub"
	"wsrun/internal/protocol"

	"github.com/coder/websocket"
)

// A logFile is the only file served, /a.log. Followed, it is truncated within a line.
type logFile struct {
	name  string
	asked atomic.Int64 // calls of any method that tells of the file
}

const logContent = "hush, hush\n"

func newLogFile(t *testing.T) *logFile {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(name, []byte(logContent), 0o644); err != nil {
		t.Fatal(err)
	}
	return &logFile{name: name}
}

func (l *logFile) Open(path string) (*os.File, error) {
	l.asked.Add(1)
	if path != "/a.log" {
		return nil, ErrNoFile
	}
	return os.Open(l.name)
}

func (*logFile) Compressed(string) bool { return false }

func (l *logFile) Content(path string, _ int) (io.ReadCloser, error) { return l.Open(path) }

func (l *logFile) Follow(ctx context.Context, _ string, _ int, _ int64, w io.Writer, event func(any)) error {
	l.asked.Add(1)
	event(FileStart{Left: int64(len(logContent) + 4), FromStart: true})
	io.WriteString(w, logContent+"half")
	event(hub.FileEvent{State: "truncated", Lost: 12})
	io.WriteString(w, "new\n")
	event(hub.FileEvent{State: "truncated"})
	io.WriteString(w, "end\n")
	<-ctx.Done()
	return ctx.Err()
}

func (l *logFile) List(context.Context) ([]File, bool, error) {
	l.asked.Add(1)
	return []File{{Path: "/a.log"}}, false, nil
}

// What was truncated unread is told where anything is told, and only then.
func TestLossIsTold(t *testing.T) {
	b := serve(t, Options{Files: &FileOptions{Files: newLogFile(t), Lines: 100, Bytes: 1 << 20}})
	// read returns what comes until its end says so.
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
	if got, want := read(""), logContent+"half\n[wsrun: the file was truncated, at least 12 bytes of it unread]\nnew\n[wsrun: the file was truncated]\nend\n"; got != want {
		t.Errorf("as text %q, want %q", got, want)
	}
	if got, want := read("&format=raw"), logContent+"halfnew\nend\n"; got != want {
		t.Errorf("as bytes %q, want %q", got, want)
	}
	const first, second = `{"event":"file","state":"truncated","reason":"","lost":12}`, `{"event":"file","state":"truncated","reason":""}`
	if got := read("", "Accept", "text/event-stream"); strings.Count(got, "data: "+first+"\n") != 1 || strings.Count(got, "data: "+second+"\n") != 1 {
		t.Errorf("as events %q", got)
	}
	r, err := watch(b.dial("a.log?tail=1", protocol.Subprotocol), len(logContent+"halfnew\nend\n"))
	if err != nil || len(r.events) != 2 || r.events[0] != "15 "+first || r.events[1] != "19 "+second {
		t.Errorf("wsrun.v1: %q, %v", r.events, err)
	}
	c, got := b.dial("a.log?tail=1"), ""
	for !strings.HasSuffix(got, "end\n") {
		_, p, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got += string(p)
	}
	if want := logContent + "half\nnew\nend\n"; got != want {
		t.Errorf("plain WebSocket %q, want %q", got, want)
	}
}

// Whatever is asked of files, in whatever form, Host, Origin and token come first:
// without them nothing is even looked up.
func TestFilesAreGuarded(t *testing.T) {
	log := newLogFile(t)
	b := serve(t, Options{Files: &FileOptions{Files: log, Lines: 100, Bytes: 1 << 20}, Token: "secret"})
	_, port, _ := net.SplitHostPort(b.addr)
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	forms := []struct {
		path    string
		headers []string
		page    bool // the page is for everyone: it asks for the token
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
				want = 429 // by then there were too many
			}
			if resp.StatusCode != want || strings.Contains(body, "hush") || strings.Contains(body, "a.log") {
				t.Errorf("%s: %s %q: %s, %.200q; want %d", tt.what, form.path, form.headers, resp.Status, body, want)
			}
		}
	}
	if n := log.asked.Load(); n != 0 {
		t.Errorf("files were looked up %d times", n)
	}
	for resp, _ := b.get("/-/status", good...); resp.StatusCode == 429; resp, _ = b.get("/-/status", good...) {
		time.Sleep(50 * time.Millisecond) // for a second at most
	}
	if resp, body := b.get("/a.log", good...); resp.StatusCode != 200 || body != logContent {
		t.Errorf("with all that: %s, %q", resp.Status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+b.addr+"/a.log", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer secret"}, "Origin": {"http://localhost:" + port}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, p, err := c.Read(ctx); err != nil || string(p) != logContent {
		t.Errorf("by WebSocket: %q, %v", p, err)
	}
}
