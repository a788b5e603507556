package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsrun/filetail"
	"wsrun/internal/client"
	"wsrun/internal/logs"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

// fileLine is line n of a file whose lines all have as many bytes.
func fileLine(n int) string { return fmt.Sprintf("line %06d\n", n) }

const fileLineBytes = len("line 000000\n")

// writeLines appends lines to a file.
func writeLines(t *testing.T, name string, first, last int) {
	t.Helper()
	var text strings.Builder
	for n := first; n <= last; n++ {
		text.WriteString(fileLine(n))
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text.String())
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every line of a file that is followed can be reached by its own number, though few are in memory.
func TestFilesAreTheirOwnHistory(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	writeLines(t, filepath.Join(dir, "b.log"), 1, 50_000)
	path := strings.TrimPrefix(dir, "/") + "/b.log"
	slice := func(line, n int) string {
		return fmt.Sprintf(`"offset":%d,"line":%d,"end":%d,"next":%d,`, (line-1)*fileLineBytes, line, (line-1+n)*fileLineBytes, (line-1+n)*fileLineBytes)
	}
	for query, want := range map[string]string{
		"from=100&tail=1&n=2":                     fileLine(100) + fileLine(101),
		"from=49999&tail=1&n=2":                   fileLine(49_999) + fileLine(50_000),
		"from=100&tail=1&n=1&format=raw":          fileLine(100),
		"from=49999&tail=1&n=1&times=1":           "- " + fileLine(49_999),
		"from=20000&tail=1&n=1&grep=7$":           fileLine(20_007),
		"from=12345&tail=1&n=1&format=ndjson":     fmt.Sprintf(`{"line":12345,"offset":%d,"text":"line 012345"}`, 12_344*fileLineBytes) + "\n",
		"format=hits&grep=^line 012345$":          hits(12_345, 12_344*fileLineBytes) + done(1, 50_000),
		"format=hits&grep=99999&from=100":         done(0, 49_901),
		"format=hits&grep=4$&n=2&back=1&from=100": hits(94, 93*fileLineBytes, 84, 83*fileLineBytes) + "",
		"format=slice&from=30000&n=2":             slice(30_000, 2),
		"format=slice&from=49999":                 slice(49_999, 2),
	} {
		resp, got := b.get("/" + path + "?" + strings.ReplaceAll(query, " ", "%20"))
		if resp.StatusCode != 200 || !strings.Contains(got, want) {
			t.Errorf("%s: %s %.200q, want %q", query, resp.Status, got, want)
		}
	}
	for _, query := range []string{"at=-1h", "at=-1h&tail=1", "at=-1h&format=slice"} {
		if resp, got := b.get("/" + path + "?" + query); resp.StatusCode != 400 || got != errNoTimes.Error()+"\n" {
			t.Errorf("%s: %s %q", query, resp.Status, got)
		}
	}
	resp, got := b.get("/"+path+"?from=300&n=1", "Accept", "text/event-stream")
	if id := fmt.Sprintf("id: %d-", 300*fileLineBytes); resp.StatusCode != 200 || !strings.HasPrefix(got, id) || !strings.Contains(got, "line 000300") {
		t.Errorf("server-sent events: %s %q", resp.Status, got)
	}
	lines := 0
	for v := b.dial(path+"?n=all&tail=1", protocol.Subprotocol); lines < 50_000; {
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatalf("after %d lines: %v", lines, err)
		}
		if e, ok := m.Event.(protocol.HelloEvent); ok && (e.Line != 1 || e.Offset != 0 || !e.Exact) {
			t.Errorf("everything begins at line %d, offset %d; exact: %v", e.Line, e.Offset, e.Exact)
		} else if !ok {
			lines += strings.Count(string(m.Payload), "\n")
		}
	}
}

// A viewer that was away goes on at the next byte, with the file's own numbers, even if wsrun has been started anew.
func TestFilesAreResumed(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	name := filepath.Join(dir, "b.log")
	writeLines(t, name, 1, 1000)
	path := strings.TrimPrefix(dir, "/") + "/b.log"
	hello := func(b *bench, query string) protocol.HelloEvent {
		t.Helper()
		m, err := b.dial(path+"?tail=1"+query, protocol.Subprotocol).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return m.Event.(protocol.HelloEvent)
	}
	var first protocol.HelloEvent
	wait.For(t, wait.Patience, "the lines aren't counted", func() bool { first = hello(b, ""); return first.Exact })
	if first.Line != 901 || first.Offset != int64(900*fileLineBytes) || !first.Exact {
		t.Errorf("it begins at line %d, offset %d; exact: %v", first.Line, first.Offset, first.Exact)
	}
	writeLines(t, name, 1001, 2000)
	root, err := filetail.NewRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	other := serve(t, Options{Catalog: Files(logs.New(logs.Options{Root: root, Lines: 100, Bytes: 1 << 20}))})
	for _, b := range []*bench{b, other} {
		again := hello(b, fmt.Sprintf("&epoch=%s&offset=%d", first.Epoch, 1000*fileLineBytes))
		if again.Epoch != first.Epoch || !again.Resumed || again.Line != 1001 || again.Offset != int64(1000*fileLineBytes) {
			t.Errorf("resumed at line %d, offset %d; %v", again.Line, again.Offset, again.Resumed)
		}
	}
}

// After a truncation and after a rotation, offsets and numbers are the new content's, in each form.
func TestFilesBeginAnew(t *testing.T) {
	b, dir := serveFolder(t, Options{})
	name := filepath.Join(dir, "b.log")
	path := strings.TrimPrefix(dir, "/") + "/b.log"
	writeLines(t, name, 1, 1000)
	v := b.dial(path+"?tail=1&n=1", protocol.Subprotocol)
	next := func() client.Message {
		t.Helper()
		m, err := v.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	hello := next().Event.(protocol.HelloEvent)
	if m := next(); string(m.Payload) != fileLine(1000) {
		t.Fatalf("%q", m.Payload)
	}
	known := map[string]bool{hello.Epoch: true}
	end := int64(1000 * fileLineBytes)
	epoch := hello.Epoch
	for state, replace := range map[string]func() error{
		"truncated": func() error { return os.Truncate(name, 0) },
		"rotated":   func() error { return os.Rename(name, name+".1") },
	} {
		if err := replace(); err != nil {
			t.Fatal(err)
		}
		writeLines(t, name, 5, 9)
		m := next()
		for e, ok := m.Event.(protocol.FileEvent); !ok || e.State != state; e, ok = m.Event.(protocol.FileEvent) {
			m = next()
		}
		e := m.Event.(protocol.FileEvent)
		if e.FileStart == nil || known[e.Epoch] || e.Offset != 0 || e.Line != 1 {
			t.Fatalf("%s: %s", state, m.Payload)
		}
		known[e.Epoch] = true
		if m := next(); string(m.Payload) != fileLine(5)+fileLine(6)+fileLine(7)+fileLine(8)+fileLine(9) {
			t.Errorf("%s: %q", state, m.Payload)
		}
		size := 5 * fileLineBytes
		for query, want := range map[string]string{
			"from=2&tail=1&n=1":                                        fileLine(6),
			"from=2&tail=1&n=1&format=ndjson":                          fmt.Sprintf(`{"line":2,"offset":%d,"ms":`, fileLineBytes),
			"format=hits&grep=8$":                                      hits(4, 3*fileLineBytes) + done(1, 5),
			"format=slice&from=2&n=1":                                  fmt.Sprintf(`{"epoch":"%s","offset":%d,"line":2,"end":%d,"next":%d,`, e.Epoch, fileLineBytes, 2*fileLineBytes, 2*fileLineBytes),
			fmt.Sprintf("format=slice&epoch=%s&offset=%d", epoch, end): fmt.Sprintf(`{"epoch":"%s","offset":0,"line":1,"end":%d,`, e.Epoch, size),
		} {
			if resp, got := b.get("/" + path + "?" + query); resp.StatusCode != 200 || !strings.Contains(got, want) {
				t.Errorf("%s: %s: %s %q, want %q", state, query, resp.Status, got, want)
			}
		}
		joined, err := b.dial(path+"?tail=1&n=2", protocol.Subprotocol).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h := joined.Event.(protocol.HelloEvent); h.Epoch != e.Epoch || h.Line != 4 || h.Offset != int64(3*fileLineBytes) || h.End != int64(size) || !h.Exact {
			t.Errorf("%s: who joins gets %s", state, joined.Payload)
		}
		again := b.dial(fmt.Sprintf("%s?tail=1&epoch=%s&offset=%d", path, epoch, end), protocol.Subprotocol)
		resumed, err := again.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h := resumed.Event.(protocol.HelloEvent); !h.Resumed || h.Epoch != epoch || h.Offset != end {
			t.Errorf("%s: who resumes at the end of the last content gets %s", state, resumed.Payload)
		}
		if m, err := again.Next(t.Context()); err != nil || m.Event.(protocol.FileEvent).FileStart.Epoch != e.Epoch {
			t.Errorf("%s: then it gets %s, %v", state, m.Payload, err)
		}
		epoch, end = e.Epoch, int64(size)
	}
}
