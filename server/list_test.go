package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
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
	"wsrun/test/wait"
)

// serveFolder serves the list of a folder with one file, a.log.
func serveFolder(t *testing.T, o Options) (b *bench, dir string) {
	t.Helper()
	dir = t.TempDir()
	addFile(t, dir, "a.log")
	root, err := filetail.NewRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	o.Catalog = Files(logs.New(logs.Options{Root: root, Lines: 100, Bytes: 1 << 20}))
	return serve(t, o), dir
}

func addFile(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

const oneFile, twoFiles = `{"files":1,"cut":false}`, `{"files":2,"cut":false}`

// TestListChanges covers each form of the stream of a list's changes: a line for the list as it
// is, and one for each change.
func TestListChanges(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	v, plain := b.dial("?n=0", protocol.Subprotocol), b.dial("")
	next := func(v *client.Viewer) client.Message {
		t.Helper()
		for {
			m, err := v.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := m.Event.(protocol.ViewersEvent); !ok {
				return m
			}
		}
	}
	if hello, ok := next(v).Event.(protocol.HelloEvent); !ok || hello.Kind != "list" || hello.Title != "files" {
		t.Errorf("hello is %+v", hello)
	}
	if m := next(plain); string(m.Payload) != oneFile+"\n" {
		t.Errorf("a plain WebSocket begins with %q", m.Payload)
	}
	responses := map[string]*bufio.Scanner{}
	for path, accept := range map[string]string{"/": "text/event-stream", "/?tail=1": "", "/?tail=1&format=raw": "text/html"} {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+b.addr+path, nil)
		r.Header.Set("Accept", accept)
		resp, err := b.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		responses[path] = bufio.NewScanner(resp.Body)
	}
	await := func(want string) {
		t.Helper()
		for path, lines := range responses {
			for got := ""; got != want; got = strings.TrimPrefix(lines.Text(), "data: ") {
				if !lines.Scan() {
					t.Fatalf("%s ends without %s", path, want)
				}
			}
		}
	}
	await(oneFile)
	addFile(t, dir, "b.log")
	await(twoFiles)
	for _, v := range []*client.Viewer{v, plain} {
		if m := next(v); string(m.Payload) != twoFiles+"\n" {
			t.Errorf("a WebSocket gets %q, %v", m.Payload, m.Event)
		}
	}
	if _, body := b.get("/", "Accept", "application/json"); !strings.Contains(body, "b.log") {
		t.Errorf("after the notification, the list is %s", body)
	}
}

// TestListRequests covers which requests for the list get what.
func TestListRequests(t *testing.T) {
	b, dir := serveFolder(t, Options{MaxViewers: 1})
	resp, body := b.get("/", "Accept", "application/json")
	var list struct {
		Files []struct {
			Path, Link string
			Size       int64
			Modified   time.Time
		}
		Cut bool
	}
	err := json.Unmarshal([]byte(body), &list)
	if err != nil || len(list.Files) != 1 || list.Files[0].Link != "."+list.Files[0].Path || list.Files[0].Modified.IsZero() || list.Cut {
		t.Errorf("as JSON: %s, %v", body, err)
	}
	if want := fmt.Sprint(len(body)); resp.Header.Get("Content-Length") != want || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers of %s bytes: %v", want, resp.Header)
	}
	_, text := b.get("/")
	if !strings.HasSuffix(text, fmt.Sprintf("  %q\n", filepath.Join(dir, "a.log"))) || !strings.HasPrefix(text, "           0  20") {
		t.Errorf("as text: %q", text)
	}
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for _, tt := range []struct {
		path, accept string
		headers      []string
		status       int
		kind         string
	}{
		{"/", "text/html", nil, 200, "text/html; charset=utf-8"},
		{"/?tail=1", "text/html", nil, 200, "text/html; charset=utf-8"},
		{"/?n=x", "", nil, 200, textType},
		{"/?grep=a", "text/event-stream", nil, 400, textType},
		{"/?n=x", "", ws, 400, textType},
	} {
		resp, body := b.get(tt.path, append([]string{"Accept", tt.accept}, tt.headers...)...)
		if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != tt.kind || tt.status == 200 && resp.Header.Get("Vary") != "Accept" {
			t.Errorf("%s, %s: %s, %v, %.50s", tt.path, tt.accept, resp.Status, resp.Header, body)
		}
	}
	b.dial("")
	b.awaitSlots(1)
	if _, err := b.dial("").Next(t.Context()); client.CloseCode(err) != 1013 {
		t.Errorf("one viewer too many: %v, want 1013", err)
	}
	if resp, _ := b.get("/", "Accept", "text/event-stream"); resp.StatusCode != 503 {
		t.Errorf("events for one viewer too many: %s, want 503", resp.Status)
	}
	if resp, _ := b.get("/", "Accept", "application/json"); resp.StatusCode != 200 {
		t.Errorf("the list needs no slot: %s", resp.Status)
	}
}

// TestNewestListIsKept checks that a catalog of files makes the same list of the same files.
func TestNewestListIsKept(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	get := func() *List {
		t.Helper()
		list, err := b.srv.catalog.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := get()
	if get() != list || &list.json()[0] != &get().json()[0] || &list.text()[0] != &get().text()[0] {
		t.Error("two requests do not share a list")
	}
	addFile(t, dir, "b.log")
	wait.For(t, wait.Patience, "the list never changes", func() bool { return get() != list })
}

// longLists is a catalog of one long list.
type longLists struct {
	Catalog
	list atomic.Pointer[List]
}

func (l *longLists) Target(string) Target { return AList }

func (l *longLists) List(context.Context) (*List, error) { return l.list.Load(), nil }

// change makes another list.
func (l *longLists) change() *List {
	entries := make([]entry, 3_000)
	for i := range entries {
		entries[i].Path = fmt.Sprintf("/%0400d", i)
	}
	l.list.Store(newList(entries, true))
	return l.list.Load()
}

// TestListsInLittleMemory checks that clients that don't read share what they are sent, and that
// different lists that are sent at a time take little together.
func TestListsInLittleMemory(t *testing.T) {
	const clients = 40
	catalog := &longLists{Catalog: Single(hub.Options{Stream: broadcaster.New(broadcaster.Options{})})}
	b := serve(t, Options{Catalog: catalog})
	size := len(catalog.change().json())
	ask := func() *http.Response {
		return b.raw("GET / HTTP/1.1\r\nHost: " + b.addr + "\r\nAccept: application/json\r\n\r\n")
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range clients {
		if resp := ask(); resp == nil || resp.StatusCode != 200 || resp.ContentLength != int64(size) {
			t.Fatalf("%s, %d bytes, want %d", resp.Status, resp.ContentLength, size)
		}
	}
	if grown := heap() - before; grown > clients*128<<10 || grown > int64(size)*clients/10 {
		t.Errorf("%d clients hold %d KiB, of a list of %d KiB", clients, grown>>10, size>>10)
	}
	lists, held := 1, catalog.list.Load().held // bytes
	for {
		catalog.change()
		resp := ask()
		if resp == nil || resp.StatusCode != 200 {
			if resp == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
				t.Errorf("list %d: %v, want 503", lists+1, resp)
			}
			break
		}
		catalog.list.Load().text() // another client may want it as text
		lists++
	}
	grown := heap() - before
	if most := int64(maxListBytes + maxListBytes/10); lists < 2 || grown > most {
		t.Errorf("%d lists take %d KiB, want 2 or more in %d KiB", lists, grown>>10, most>>10)
	}
	if real := grown / int64(lists); real > held || real < held/3 {
		t.Errorf("a list takes %d KiB, but counts as %d", real>>10, held>>10)
	}
}

// hungLists is a catalog of a stream, and of lists that never come.
type hungLists struct {
	Catalog
	waiting atomic.Int64
}

func (l *hungLists) Target(path string) Target {
	if path == "/list/" {
		return AList
	}
	return l.Catalog.Target(path)
}

func (l *hungLists) List(ctx context.Context) (*List, error) {
	l.waiting.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// Clients that wait for a walk of a tree that hangs take nothing from others. There may be only so many.
func TestHungListsTakeNoRoom(t *testing.T) {
	catalog := &hungLists{Catalog: Single(hub.Options{Stream: broadcaster.New(broadcaster.Options{})})}
	b := serve(t, Options{Catalog: catalog})
	var conns []net.Conn
	for range maxListWaiting {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		fmt.Fprintf(conn, "GET /list/ HTTP/1.1\r\nHost: %s\r\n\r\n", b.addr)
	}
	wait.For(t, wait.Patience, "the clients never wait", func() bool { return catalog.waiting.Load() == maxListWaiting })
	if resp, _ := b.get("/"); resp.StatusCode != 200 {
		t.Errorf("a text: %s", resp.Status)
	}
	if resp, _ := b.get("/list/"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one client too many: %s, want 503", resp.Status)
	}
	for _, conn := range conns {
		conn.Close()
	}
	wait.For(t, wait.Patience, "clients that are gone still wait", func() bool {
		b.srv.lists.mu.Lock()
		defer b.srv.lists.mu.Unlock()
		return b.srv.lists.waiting == 0
	})
}
