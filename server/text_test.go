package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"wsrun/broadcaster"
	"wsrun/hub"
)

// behind returns the body of a response whose client fell out of the ring: it read the first
// line, and then nothing until much more had been written than the ring and the sockets hold.
func behind(t *testing.T, path, accept string) (string, error) {
	t.Helper()
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 10})}, Options{})
	b.Write([]byte("first\n"))
	r, _ := http.NewRequest("GET", "http://"+b.addr+path, nil)
	r.Header.Set("Accept", accept)
	resp, err := b.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	first, err := body.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1000) + "\n"
	for range 32 << 10 {
		b.Write([]byte(line))
	}
	b.end(0)
	rest, err := io.ReadAll(body)
	return first + string(rest), err
}

// TestGaps checks that text and events report a gap, and that a raw response, which has no way
// to do so, is aborted.
func TestGaps(t *testing.T) {
	text, err := behind(t, "/?tail=1", "*/*")
	gaps, lines := 0, 0
	for line := range strings.Lines(text) {
		var skipped int
		if _, err := fmt.Sscanf(line, "[wsrun: %d lines skipped]\n", &skipped); err == nil {
			gaps++
			lines += skipped
		} else if line == "first\n" || len(line) == 1001 {
			lines++
		}
	}
	if err != nil || gaps == 0 || lines != 1+32<<10 {
		t.Errorf("text: %d bytes, %d gaps, %d lines, %v; want %d lines, shown or skipped", len(text), gaps, lines, err, 1+32<<10)
	}
	events, err := behind(t, "/", "text/event-stream")
	if err != nil || strings.Count(events, "event: reset\n") < 1 || !strings.Contains(events, "event: exit\n") {
		t.Errorf("events: %d bytes, %v", len(events), err)
	}
	if _, err := behind(t, "/?tail=1&format=raw", "*/*"); err == nil {
		t.Error("raw: an answer with a gap looks whole")
	}
}

// TestEventResumes checks that events report a resume that isn't possible, and that a client
// that has everything is told not to reconnect.
func TestEventResumes(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 2})}, Options{})
	b.Write([]byte("one\ntwo\nthree\n\x1b[0m"))
	b.end(0)
	resp, body := b.get("/", "Accept", "text/event-stream", "Last-Event-ID", "0")
	if want := `event: reset` + "\nid: 8\n"; !strings.HasPrefix(body, want) || !strings.Contains(body, `"skippedBytes":8`) {
		t.Errorf("out of the ring: %s, %q", resp.Status, body)
	}
	end := strings.Split(body[strings.LastIndex(body, "id: ")+4:], "\n")[0]
	if resp, body := b.get("/", "Accept", "text/event-stream", "Last-Event-ID", end); resp.StatusCode != http.StatusNoContent {
		t.Errorf("at the end, %s: %s, %q", end, resp.Status, body)
	}
	if _, body := b.get("/?epoch=other", "Accept", "text/event-stream", "Last-Event-ID", "8"); !strings.HasPrefix(body, "event: reset\n") {
		t.Errorf("another epoch: %q", body)
	}
	silent := serve(t, Options{})
	silent.end(0)
	if resp, body := silent.get("/", "Accept", "text/event-stream", "Last-Event-ID", "0"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("no output: %s, %q", resp.Status, body)
	}
}

// TestRequestsWithBodies checks that the server doesn't wait for a request's body.
func TestRequestsWithBodies(t *testing.T) {
	b := serve(t, Options{Token: "secret"})
	for _, tt := range []struct {
		request string
		want    int
	}{
		{"POST / HTTP/1.1", 401},
		{"GET /-/login HTTP/1.1", 405},
		{"GET / HTTP/1.1\r\nAuthorization: Bearer secret", 200},
	} {
		resp := b.raw(fmt.Sprintf("%s\r\nHost: %s\r\nContent-Length: 100\r\n\r\n", tt.request, b.addr))
		if resp == nil || resp.StatusCode != tt.want {
			t.Errorf("%s: %v, want %d", tt.request, resp, tt.want)
		}
	}
}

// TestEventsReportEachGap checks a client that falls out of the ring again while it learns that
// it has fallen out.
func TestEventsReportEachGap(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 2})}, Options{})
	filler := strings.Repeat(".", 100_000) // so that the ring is long without the first lines
	write := func() {
		for n := range 100 {
			fmt.Fprintf(b, "line %d%s\n", n, filler)
			b.Flush()
		}
	}
	cursor, _ := b.Open(-1)
	write()
	body := httptest.NewRecorder()
	session := b.srv.sessions.Unlisted(httptest.NewRequest("GET", "/", nil))
	e := newLiveResponse(b.srv.gate.follower(t.Context()).response(body), session, b.hub, &query{form: asEvents})
	newEventSink(e)
	e.cursor = cursor
	item, out := e.next()
	if out != hub.Following || item.Reset == nil || item.Reset.SkippedLines != 98 {
		t.Fatalf("at first: %+v, %v", item.Reset, out)
	}
	write()
	b.end(0)
	for ; out == hub.Following; item, out = e.next() {
		e.item(item)
	}
	e.Flush()
	if got := body.Body.String(); strings.Count(got, `"skippedLines":98`) != 1 || strings.Count(got, `"skippedLines":100`) != 1 ||
		strings.Count(got, "data: line ") != 2 {
		t.Errorf("200 lines, of which 98 and then 100 were skipped: %s", strings.ReplaceAll(got, filler, ""))
	}
}
