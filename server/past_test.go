package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
	"wsrun/test/wait"
	"wsrun/test/watch"
)

// past returns a stream with a small ring and a history.
func past(t *testing.T) hub.Options {
	return pastIn(t, history.Options{Dirs: []string{t.TempDir()}, Report: func(err error) { t.Error(err) }})
}

// pastIn is past with a history of one's own.
func pastIn(t *testing.T, o history.Options) hub.Options {
	t.Helper()
	o.Delay = time.Millisecond
	store := history.New(o)
	t.Cleanup(func() { store.Close() })
	stream := broadcaster.New(broadcaster.Options{Lines: 1000, Bytes: 100 << 10})
	return hub.Options{Stream: stream, History: store.Follow(stream)}
}

// floodLine is line n of a flood: 1,000 bytes, of which the text form sends 990.
func floodLine(n int) string {
	return fmt.Sprintf("\x1b[31m%09d%s\x1b[m\r\n", n, strings.Repeat("x", 981))
}

// flood writes so many lines, as fast as the history can store them.
func (b *bench) flood(lines int) {
	for n := range lines {
		b.Write([]byte(floodLine(n)))
		if n%1000 == 0 {
			wait.For(b.t, wait.Patience, "the history doesn't grow", func() bool { return b.hub.History.End().Offset >= int64(n-8000)*1000 })
		}
	}
	b.Flush()
}

const floodLines = 32 << 10

// TestLateReaders checks clients that read nothing for so long that the ring loses what they need: they lose nothing.
func TestLateReaders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path, accept string
		line         func(n int) string
	}{
		"text":   {"/?tail=1", "*/*", func(n int) string { return fmt.Sprintf("%09d%s\n", n, strings.Repeat("x", 981)) }},
		"raw":    {"/?tail=1&format=raw", "*/*", floodLine},
		"events": {"/", "text/event-stream", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serveStream(t, past(t), Options{})
			b.Write([]byte(floodLine(-1)))
			b.Flush()
			r, _ := http.NewRequest("GET", "http://"+b.addr+tt.path, nil)
			r.Header.Set("Accept", tt.accept)
			resp, err := b.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body := bufio.NewReader(resp.Body)
			for first := ""; !strings.Contains(first, "-00000001x"); { // the header comes before the place is found
				if first, err = body.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			b.flood(floodLines)
			b.end(0)
			checkFlood(t, body, tt.line)
		})
	}
}

// checkFlood checks that body has each line of a flood once: lines as line returns them, or events if it is nil.
func checkFlood(t *testing.T, body *bufio.Reader, line func(n int) string) {
	t.Helper()
	n := 0
	for {
		got, err := body.ReadString('\n')
		if err != nil {
			break
		}
		if line == nil && strings.HasPrefix(got, "event: reset") {
			t.Fatal(got)
		}
		data, isData := strings.CutPrefix(got, "data: ")
		switch {
		case line != nil && got != line(n), isData && data[0] != '{' && !strings.HasPrefix(data, fmt.Sprintf("%09dx", n)):
			t.Fatalf("line %d is %.40q", n, got)
		case line != nil, isData && data[0] != '{':
			n++
		}
	}
	if n != floodLines {
		t.Errorf("%d lines of %d", n, floodLines)
	}
}

// TestLateTLS checks the same for a WebSocket over TLS, which no writer pool serves.
func TestLateTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	certify(t, cert, key, "any")
	certificate, err := access.OpenCertificate(cert, key, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	b := serveStream(t, past(t), Options{Certificate: certificate})
	by := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure}}
	v, err := client.Dial(t.Context(), "wss://"+b.addr+"/", client.Options{HTTPClient: by})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Next(t.Context()); err != nil { // the handshake ends before the place is found
		t.Fatal(err)
	}
	b.flood(floodLines)
	b.end(0)
	r, err := watch.Viewer(v, -1)
	if err != nil || r.Code != protocol.CloseEnded || len(r.Data) != 1000*floodLines || len(r.Events) != 1 {
		t.Fatalf("%d bytes, %v, %d, %v", len(r.Data), r.Events, r.Code, err)
	}
	for n := range floodLines {
		if !bytes.HasPrefix(r.Data[1000*n:], []byte(floodLine(n)[:20])) {
			t.Fatalf("line %d is %q", n, r.Data[1000*n:][:20])
		}
	}
}

// TestResumePast checks that each form continues at an offset that only the history has.
func TestResumePast(t *testing.T) {
	t.Parallel()
	b := serveStream(t, past(t), Options{})
	b.flood(floodLines)
	b.end(0)
	const at = 5_000_000
	position := fmt.Sprintf("epoch=%s&offset=%d", b.Epoch(), at)
	for name, tt := range map[string]struct{ query, accept, id, first string }{
		"text":        {position, "*/*", "", "000005000xx"},
		"text, tail":  {position + "&tail=1", "*/*", "", "000005000xx"},
		"text, later": {position[:len(position)-1] + "2", "*/*", "", "000005000xx"}, // within a control sequence
		"raw":         {position + "&format=raw", "*/*", "", "\x1b[31m000005000xx"},
		"events":      {"", "text/event-stream", fmt.Sprint(at), "id: 5001000\ndata: 000005000xx"},
	} {
		resp, body := b.get("/?"+tt.query, "Accept", tt.accept, "Last-Event-ID", tt.id)
		if n := strings.Count(body, "xx\r\n") + strings.Count(body, "xx\n"); resp.StatusCode != 200 || !strings.HasPrefix(body, tt.first) {
			t.Errorf("%s: %s, %.40q, %d lines", name, resp.Status, body, n)
		}
		if n := strings.Count(body, "\x1b[m\r\n") + strings.Count(body, "xx\n"); n != floodLines-at/1000 {
			t.Errorf("%s: %d lines", name, n)
		}
	}
	for path, want := range map[string]string{
		"/-/status": `"history":{"offset":0,"line":1}`, "/-/metrics": "\nwsrun_history_missed_bytes_total 0\n",
	} {
		if _, body := b.get(path); !strings.Contains(body, want) {
			t.Errorf("%s: no %q in %s", path, want, body)
		}
	}
	r, err := watch.Viewer(b.dial("?"+position, protocol.Subprotocol), -1)
	if h := r.Hello; err != nil || !h.Resumed || h.Offset != at || h.Line != 5001 || len(r.Data) != 1000*floodLines-at {
		t.Errorf("wsrun.v1: %+v, %d bytes, %v", h, len(r.Data), err)
	}
}

// TestDrained checks that a viewer that is still behind when the time to drain is over gets a close frame.
func TestDrained(t *testing.T) {
	t.Parallel()
	b := serveStream(t, past(t), Options{})
	v := b.dial("", protocol.Subprotocol)
	plain, late := b.dial(""), b.dial("?n=0", protocol.Subprotocol)
	b.flood(floodLines)
	b.end(0)
	lateReport, err := watch.Viewer(late, -1)
	if err != nil || lateReport.Code != protocol.CloseEnded {
		t.Errorf("a viewer that isn't behind: %d, %v", lateReport.Code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var viewers sync.WaitGroup
	for name, v := range map[string]*client.Viewer{"wsrun.v1": v, "plain": plain} {
		viewers.Go(func() {
			<-ctx.Done()
			r, err := watch.Viewer(v, -1)
			if err != nil || r.Code != protocol.CloseStopping || len(r.Data) >= 1000*floodLines {
				t.Errorf("%s: %d bytes, %d, %v", name, len(r.Data), r.Code, err)
			}
		})
	}
	b.srv.Shutdown(ctx)
	viewers.Wait()
}

// The last lines that match are as many as were asked for while more arrive, and are found if the ring drops the oldest ones
// meanwhile.
func TestLastLinesInAFlood(t *testing.T) {
	b := serveStream(t, hub.Options{Stream: broadcaster.New(broadcaster.Options{Lines: 100_000, Bytes: 1 << 20})}, Options{})
	var flood sync.WaitGroup
	stop := make(chan struct{})
	flood.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				fmt.Fprintf(b, "line %d\n", n)
			}
		}
	})
	defer flood.Wait()
	defer close(stop)
	wait.For(t, wait.Patience, "the ring isn't full", func() bool { return b.Stats().Start > 0 })
	for range 20 {
		for query, want := range map[string]int{"grep=.&n=10": 10, "n=10": 10, "grep=no&n=10": 0, "grep=no&n=10&context=3": 0} {
			if resp, got := b.get("/?" + query); resp.StatusCode != 200 || strings.Count(got, "\n") != want {
				t.Fatalf("%s: %s, %d lines", query, resp.Status, strings.Count(got, "\n"))
			}
		}
	}
}

// A client that hasn't resumed learns how a run has ended, even if it has asked for a line that never was.
func TestEventsBeyondTheEnd(t *testing.T) {
	b := shortRun(t)
	b.end(3)
	for _, query := range []string{"from=100", "grep=x&n=0", "n=0"} {
		resp, body := b.get("/?"+query, "Accept", "text/event-stream")
		if resp.StatusCode != 200 || !strings.Contains(body, "event: exit") || strings.Contains(body, "data: seven") {
			t.Errorf("%s: %s %q", query, resp.Status, body)
		}
	}
}

// While a program fills the screen, text ends with the screen, however many lines before it are asked for.
func TestScreenAfterTheHistory(t *testing.T) {
	b := serveStream(t, past(t), Options{})
	b.Emit(broadcaster.Resize{Cols: 80, Rows: 24})
	for n := range 20_000 {
		fmt.Fprintf(b, "line %d\r\n", n+1)
	}
	b.Write([]byte("\x1b[?1049h\x1b[HNORMAL"))
	b.Flush()
	wait.For(t, wait.Patience, "the screen isn't followed", func() bool {
		_, got := b.get("/?n=1")
		return strings.HasSuffix(got, "NORMAL\n")
	})
	for query, first := range map[string]string{"n=all": "line 1\n", "n=15000": "line 5002\n"} { // the program is in an unfinished line
		_, got := b.get("/?" + query)
		if !strings.HasPrefix(got, first) || !strings.HasSuffix(got, "line 20000\nNORMAL\n") {
			t.Errorf("%s: %.20q … %q", query, got, got[max(len(got)-40, 0):])
		}
	}
}
