package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/hub"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
)

// A long line that has not ended is one line, wherever the ring's memory begins.
func TestSearchInALineThatGoesOn(t *testing.T) {
	b := serveStream(t, past(t), Options{})
	b.Write([]byte(strings.Repeat("a short line\n", 1000)))
	const size = 6 << 20
	for range size >> 16 {
		b.Write([]byte(strings.Repeat("x", 1<<16)))
		wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return b.Stats().End-b.hub.History.End().Offset < 6<<20 })
	}
	b.Flush()
	for query, want := range map[string]string{
		"grep=x":                 hits(1001, 13_000) + done(1, 1001),
		"grep=x&back=1":          hits(1001, 13_000) + done(1, 1001),
		"grep=s&invert=1":        hits(1001, 13_000) + done(1, 1001),
		"grep=s&invert=1&back=1": hits(1001, 13_000) + done(1, 1001),
	} {
		if _, got := b.get("/?format=hits&" + query); progressLines.ReplaceAllString(got, "") != want {
			t.Errorf("%s: %.300q, want %q", query, got, want)
		}
	}
}

// dropped returns a stream whose history has dropped its beginning, and its oldest place. Each line is its number with
// leading zeros, and was written at that second.
func dropped(t *testing.T) (b *bench, oldest *protocol.Place) {
	t.Helper()
	const lines = 400_000
	b = serveStream(t, pastIn(t, history.Options{Bytes: 2 << 20, Dirs: []string{t.TempDir()}}), Options{})
	for n := 0; n < lines; n += 100 {
		var p []byte
		for i := range 100 {
			p = fmt.Appendf(p, "%09d\n", n+i+1)
		}
		b.Publish(p, time.Unix(int64(n+1), 0))
		if n%10_000 == 0 {
			wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return b.Stats().End-b.hub.History.End().Offset < 1<<20 })
		}
	}
	b.end(0)
	wait.For(t, wait.Patience, "the history isn't whole", func() bool { return b.hub.History.End().Offset == b.Stats().End })
	oldest = b.hub.Oldest(b.hub.LastRun())
	if oldest.Offset == 0 || oldest.Offset > 3<<20 || oldest.Offset != 10*(oldest.Line-1) {
		t.Fatalf("the oldest place is %+v", oldest)
	}
	return b, oldest
}

// Who resumes at a place that is gone continues at the oldest one that is left.
func TestResumeWhereTheHistoryHasDropped(t *testing.T) {
	b, oldest := dropped(t)
	first := fmt.Sprintf("%09d\n", oldest.Line)
	place := fmt.Sprintf("epoch=%s&offset=1000", b.Epoch())
	if _, got := b.get("/?n=all&" + place); !strings.HasPrefix(got, fmt.Sprintf("[wsrun: %d bytes skipped]\n", oldest.Offset-1000)+first) {
		t.Errorf("text begins with %.60q, want line %d", got, oldest.Line)
	}
	_, got := b.get("/", "Accept", "text/event-stream", "Last-Event-ID", "1000")
	if !strings.Contains(got[:min(len(got), 500)], "data: "+first) {
		t.Errorf("events begin with %.300q, want line %d", got, oldest.Line)
	}
	m, err := b.dial("?"+place, protocol.Subprotocol).Next(t.Context())
	if hello, ok := m.Event.(protocol.HelloEvent); err != nil || !ok || hello.Resumed || hello.Offset != oldest.Offset || hello.Line != oldest.Line {
		t.Errorf("wsrun.v1: %+v, %v, want %+v", m.Event, err, oldest)
	}
}

// A time before the oldest line says that output may be missing.
func TestTimeBeforeTheOldestLine(t *testing.T) {
	b, oldest := dropped(t)
	first := fmt.Sprintf("%09d\n", oldest.Line)
	if _, got := b.get("/?at=5000&n=1"); got != "[wsrun: output skipped]\n"+first {
		t.Errorf("text: %q", got)
	}
	if _, got := b.get("/?at=5000&n=1&format=ndjson"); !strings.HasPrefix(got, `{"gap":{`) {
		t.Errorf("NDJSON: %q", got)
	}
	if resp, got := b.get("/?at=5000&n=1&format=raw"); resp.StatusCode != http.StatusGone {
		t.Errorf("raw: %s %q", resp.Status, got)
	}
	later := oldest.Line + 1000 - oldest.Line%100 // 100 lines have one time
	if _, got := b.get(fmt.Sprintf("/?at=%d&n=1", 1000*later)); got != fmt.Sprintf("%09d\n", later+1) {
		t.Errorf("from a time on that is kept: %q", got)
	}
}

// Without a disk, the oldest place is the beginning of a line.
func TestOldestLineWithoutADisk(t *testing.T) {
	o := pastIn(t, history.Options{Dirs: []string{"/nothing"}, Report: func(error) {}})
	b := serveStream(t, o, Options{})
	for n := range 300_000 {
		fmt.Fprintf(b, "%09d\n", n+1)
	}
	b.end(0)
	wait.For(t, wait.Patience, "the history goes on", func() bool { return b.hub.History.(*history.Log).StoreStats().Failures > 0 })
	oldest := b.hub.Oldest(b.hub.LastRun())
	if oldest.Offset == 0 || oldest.Offset != 10*(oldest.Line-1) {
		t.Errorf("the oldest place is %+v", oldest)
	}
	for _, query := range []string{"n=all", "from=1", "format=hits&grep=0"} {
		_, got := b.get("/?" + query)
		if !strings.Contains(got[:min(len(got), 200)], fmt.Sprintf("%09d\n", oldest.Line)) && !strings.Contains(got, hits(int(oldest.Line), int(oldest.Offset))) {
			t.Errorf("%s: %.100q, want line %d first", query, got, oldest.Line)
		}
	}
}

// Raw bytes can't say that context is missing, and so break off.
func TestRawContextIsNotCutSilently(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Bytes: 4 << 20})}, Options{})
	b.Write([]byte(strings.Repeat(strings.Repeat("x", 2000)+"\n", 99) + "error\n"))
	b.Flush()
	b.end(0)
	resp, err := http.Get("http://" + b.addr + "/?grep=error&context=99&format=raw")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the response is whole")
	}
	if _, got := b.get("/?grep=error&context=99"); !strings.HasPrefix(got, "[wsrun: ") || !strings.HasSuffix(got, "error\n") {
		t.Errorf("text: %.50q", got)
	}
}

// A slice up to a time has all of that, up to 4 MiB, and says where to continue.
func TestSliceUpToATimeIsBounded(t *testing.T) {
	for size, want := range map[int]int{2: 30_000, 300: maxSliceBytes / 300} {
		b := serveStream(t, past(t), Options{})
		for n := range 30_000 {
			b.Publish(fmt.Appendf(nil, "%0*d\n", size-1, n), time.UnixMilli(int64(n+1)))
			if n%1000 == 0 {
				wait.For(t, wait.Patience, "the history doesn't grow", func() bool { return b.hub.History.End().Offset >= b.Stats().End-2*64<<10 })
			}
		}
		b.end(0)
		_, got := b.get("/?format=slice&from=1&until=2100-01-01T00:00:00Z")
		head, body, _ := strings.Cut(got, "\n")
		if n := strings.Count(body, "\n"); n != want || len(body) > maxSliceBytes || !strings.Contains(head, fmt.Sprintf(`"next":%d,`, len(body))) {
			t.Errorf("%d lines of %d bytes after %.100q", n, size, head)
		}
	}
}
