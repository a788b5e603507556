package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
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
	"wsrun/test/watch"
)

func TestMain(m *testing.M) {
	if command := os.Getenv(costVariable); command != "" {
		runCostChild(command)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestForms(t *testing.T) {
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
	for path, want := range map[string]int{
		"/?n=x": 400, "/?tail=2": 400, "/?format=x": 400, "/?offset=-1&epoch=x": 400, "/?offset=1": 400, "/?n=%zz": 400,
		"/x": 404, "/-/x": 404, "/-/static/../static.go": 404, "/-/static/static.go": 404,
	} {
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
	if _, body := b.get("/-/status"); json.Unmarshal([]byte(body), &st) != nil || st.State != "ended" || st.Exit.Code != 3 ||
		st.End != 31 || st.Lines != 3 || st.Cols != 80 {
		t.Errorf("status: %s", body)
	}
}

func TestWebSocket(t *testing.T) {
	b := serveStream(t, hub.Options{Title: "t", Command: []string{"make"}}, Options{})
	b.Emit(broadcaster.Resize{Cols: 80, Rows: 24})
	b.Write([]byte("one\r\n"))
	early := b.dial("", "wsrun.v1")
	plain := b.dial("")
	first, err := watch.Viewer(early, 5)
	if h := first.Hello; err != nil || h.Epoch != b.Epoch() || h.Line != 1 || h.Cols != 80 || h.State != "running" || h.Resumed {
		t.Fatalf("hello = %+v, %v", h, err)
	}
	b.Emit(broadcaster.Resize{Cols: 90, Rows: 24})
	b.Write([]byte("two\xff\r\n"))
	b.end(7)
	rest, err := watch.Viewer(early, -1)
	want := []string{`0 {"event":"resize","cols":90,"rows":24}`, `6 {"event":"exit","code":7,"signal":"","durationMs":0}`}
	if err != nil || string(rest.Data) != "two\xff\r\n" || fmt.Sprint(rest.Events) != fmt.Sprint(want) || rest.Code != 1000 {
		t.Errorf("early: %q, %q, %v, %v", rest.Data, rest.Events, rest.Code, err)
	}
	if r, err := watch.Viewer(plain, -1); err != nil || string(r.Data) != "one\r\ntwo\uFFFD\r\n" || r.Code != 1000 {
		t.Errorf("plain: %q, %v, %v", r.Data, r.Code, err)
	}
	late, err := watch.Viewer(b.dial("?n=1", "wsrun.v1"), -1)
	if err != nil || late.Hello.Line != 2 || late.Hello.Offset != 5 || late.Hello.State != "ended" ||
		string(late.Data) != "two\xff\r\n" || late.Code != 1000 {
		t.Errorf("late: %+v, %v", late, err)
	}
	resumed, err := watch.Viewer(b.dial(fmt.Sprintf("?epoch=%s&offset=8", b.Epoch()), "wsrun.v1"), -1)
	if err != nil || !resumed.Hello.Resumed || resumed.Hello.Offset != 8 || string(resumed.Data) != "\xff\r\n" {
		t.Errorf("resumed: %+v, %v", resumed, err)
	}
}

func TestStopping(t *testing.T) {
	b := serve(t, Options{})
	c := b.dial("", "wsrun.v1")
	b.Close()
	if r, err := watch.Viewer(c, -1); err != nil || r.Code != protocol.CloseStopping {
		t.Errorf("closed with %v, %v; want 1001", r.Code, err)
	}
}

func TestViewerThatSendsIsClosed(t *testing.T) {
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
		r, err := watch.Viewer(v, -1)
		codes = append(codes, r.Code)
		if err != nil || r.Code != protocol.CloseSpoke {
			t.Errorf("closed with %v, %v; want 1008", r.Code, err)
		}
		tooLong.Stop()
	}
	t.Attr("promise", "viewers can't write: one that speaks is closed")
	t.Attr("figure", fmt.Sprintf("with %d and %d, of wsrun.v1 and a plain one", codes[0], codes[1]))
}

// TestEveryByte sends every byte value, characters cut everywhere, and noise, and checks that
// each form of viewer gets all of it.
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
		if r, err := watch.Viewer(v1, -1); err != nil || !bytes.Equal(r.Data, all) || r.Code != 1000 {
			t.Errorf("wsrun.v1: %d bytes of %d, %v, %v", len(r.Data), len(all), r.Code, err)
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

func TestShutdownIsBounded(t *testing.T) {
	b := serve(t, Options{})
	c := b.dialSlow("wsrun.v1")
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
	if _, err := watch.Viewer(c, -1); errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
