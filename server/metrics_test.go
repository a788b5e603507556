package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wsrun/hub"
	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// scrape returns a server's metrics by name and labels, and checks their syntax.
func scrape(t *testing.T, s *Server) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	s.serveMetrics(w, nil)
	values := map[string]float64{}
	typed := map[string]bool{}
	line := regexp.MustCompile(`^([a-z_]+)(\{[A-Za-z]+="[^"]*"(, ?[A-Za-z]+="[^"]*")*\})? (\S+)$`)
	part := regexp.MustCompile(`_(sum|count|bucket)$`) // belongs to a summary or histogram
	for l := range strings.Lines(w.Body.String()) {
		l = strings.TrimSuffix(l, "\n")
		if name, ok := strings.CutPrefix(l, "# TYPE "); ok {
			name = strings.Fields(name)[0]
			if typed[name] {
				t.Errorf("%s has two types", name)
			}
			typed[name] = true
			continue
		}
		if strings.HasPrefix(l, "#") {
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil || !typed[m[1]] && !typed[part.ReplaceAllString(m[1], "")] {
			t.Errorf("bad line %q", l)
			continue
		}
		v, err := strconv.ParseFloat(m[4], 64)
		if _, twice := values[m[1]+m[2]]; err != nil || twice {
			t.Errorf("bad line %q", l)
		}
		values[m[1]+m[2]] = v
	}
	return values
}

// expect checks the values of some metrics.
func expect(t *testing.T, when string, got map[string]float64, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			t.Errorf("%s: %s is %v (%v), want %v", when, name, g, ok, v)
		}
	}
}

// TestMetrics compares the metrics with the traffic of viewers of each form.
func TestMetrics(t *testing.T) {
	b := serve(t, Options{Version: "v1.2-3-gabc", MaxViewers: 40})
	expect(t, "at first", scrape(t, b.srv), map[string]float64{
		`wsrun_viewers{kind="wsrun.v1"}`: 0, `wsrun_connects_total{kind="text"}`: 0, `wsrun_received_bytes_total`: 0,
		`wsrun_command_running`: 1, `wsrun_viewers_max`: 40, `wsrun_ring_lines`: 0, `wsrun_refusals_total{reason="host"}`: 0,
	})
	b.Write([]byte("one\r\ntwo\r\n"))
	var wg sync.WaitGroup
	got := make([]int64, hub.Forms)
	var mu sync.Mutex
	count := func(k hub.Form, n int) {
		mu.Lock()
		defer mu.Unlock()
		got[k] += int64(n)
	}
	follow := func(k hub.Form, protocols ...string) {
		v := b.dial("", protocols...)
		wg.Go(func() {
			for {
				m, err := v.Next(context.Background())
				if err != nil {
					return
				}
				count(k, len(m.Payload))
			}
		})
	}
	stream := func(k hub.Form, path, accept string) {
		r, _ := http.NewRequest("GET", "http://"+b.addr+path, nil)
		r.Header.Set("Accept", accept)
		resp, err := b.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			count(k, len(body))
		})
	}
	for range 3 {
		follow(hub.FormV1, protocol.Subprotocol)
	}
	follow(hub.FormPlain)
	follow(hub.FormPlain)
	stream(hub.FormEvents, "/", "text/event-stream")
	stream(hub.FormText, "/?tail=1", "*/*")
	stream(hub.FormText, "/?tail=1&format=raw", "*/*")
	b.get("/") // not a viewer, because it doesn't follow
	b.awaitSlots(8)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && scrape(t, b.srv)[`wsrun_connects_total{kind="text"}`] < 2; {
		time.Sleep(time.Millisecond)
	}
	expect(t, "running", scrape(t, b.srv), map[string]float64{
		`wsrun_viewers{kind="wsrun.v1"}`: 3, `wsrun_viewers{kind="websocket"}`: 2, `wsrun_viewers{kind="events"}`: 1, `wsrun_viewers{kind="text"}`: 2,
		`wsrun_connects_total{kind="wsrun.v1"}`: 3, `wsrun_received_bytes_total`: 10, `wsrun_chunks_total`: 1,
		`wsrun_ring_bytes`: 10, `wsrun_ring_lines`: 2,
	})
	b.Write([]byte("three\r\n"))
	b.Flush()
	b.end(7)
	wg.Wait()
	b.awaitSlots(0)
	want := map[string]float64{
		`wsrun_received_bytes_total`: 17, `wsrun_chunks_total`: 2, `wsrun_ring_bytes`: 17, `wsrun_ring_lines`: 3,
		`wsrun_command_running`: 0, `wsrun_command_exit_code`: 7, `wsrun_accept_failures_total`: 0,
	}
	for k, connects := range []float64{3, 2, 1, 2} {
		name := hub.Form(k).String()
		want[label("wsrun_viewers", "kind", name)] = 0
		want[label("wsrun_connects_total", "kind", name)] = connects
		want[label("wsrun_sent_bytes_total", "kind", name)] = float64(got[k])
		want[label("wsrun_resets_total", "kind", name)] = 0
		want[label("wsrun_slow_closes_total", "kind", name)] = 0
	}
	expect(t, "at the end", scrape(t, b.srv), want)
	resp, body := b.get("/-/metrics")
	if resp.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" ||
		!strings.Contains(body, `wsrun_build_info{version="v1.2-3-gabc",goversion="go1.`) || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("%v: %s", resp.Header, body)
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	var log bytes.Buffer
	b := serve(t, Options{Token: "s3cret", MaxViewers: 1, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	bearer := []string{"Authorization", "Bearer s3cret"}
	_, cookie := b.login(url.Values{"token": {"s3cret"}})
	plain := client.Options{Header: http.Header{"Authorization": bearer[1:]}, Plain: true}
	viewer, err := client.Dial(t.Context(), "ws://"+b.addr+"/", plain)
	if err != nil {
		t.Fatal(err)
	}
	defer viewer.Close()
	for i, request := range [][]string{
		{"/", "Host", "evil.example"},
		{"/", "Host", "evil.example", "Origin", "http://evil.example"},
		{"/", "Origin", "http://evil.example\x1b[2J"},
		{"/"},
		{"/", "Authorization", "Bearer Wr0ng", "Cookie", "wsrun=C00kie"},
		{"/?token=Qu3ry"},
		append([]string{"/?n=x"}, bearer...),
		append([]string{"/\u009b2J"}, bearer...),
		append([]string{"/?tail=1"}, bearer...),
		append([]string{"/", "Accept", "text/event-stream"}, bearer...),
		append([]string{"/"}, bearer...), // not refused
	} {
		r, _ := http.NewRequest("GET", "http://"+b.addr+request[0], nil)
		// The request is written by hand, because net/http refuses to send some of these.
		head := "GET " + r.URL.RequestURI() + " HTTP/1.1\r\n"
		if len(request) < 2 || request[1] != "Host" {
			head += "Host: " + b.addr + "\r\n"
		}
		for i := 1; i < len(request); i += 2 {
			head += request[i] + ": " + request[i+1] + "\r\n"
		}
		if resp := b.raw(head + "\r\n"); resp == nil {
			t.Errorf("request %d: no answer", i)
		}
	}
	r, _ := http.NewRequest("POST", "http://"+b.addr+"/", nil)
	r.Header.Set("Authorization", bearer[1])
	resp, err := b.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	full, err := client.Dial(t.Context(), "ws://"+b.addr+"/", plain)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	full.Next(t.Context())
	want := map[string]float64{`wsrun_connects_total{kind="websocket"}`: 1}
	for reason, n := range map[string]float64{
		"host": 2, "origin": 0, "token": 3, "bad_request": 2, "not_found": 1, "full": 3, "method": 1, "rate": 0,
	} {
		want[label("wsrun_refusals_total", "reason", reason)] = n
	}
	// net/http itself refuses the escape character in a header, which isn't counted.
	want[`wsrun_refusals_total{reason="bad_request"}`] = 1
	expect(t, "after all", scrape(t, b.srv), want)
	viewer.Close()
	b.awaitSlots(0)
	b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	b.srv.Shutdown(ctx) // no goroutine logs after that
	text := log.String()
	for _, secret := range []string{"s3cret", "Wr0ng", "C00kie", "Qu3ry", cookie.Value} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q: %s", secret, text)
		}
	}
	if strings.ContainsAny(text, "\x1b\u009b") || !strings.Contains(text, `\u009b2J`) {
		t.Errorf("the log could drive a terminal: %q", text)
	}
	if n := strings.Count(text, "level=WARN"); n != 1 {
		t.Errorf("%d warnings that it is full, want 1 in 10 s: %s", n, text)
	}
	for _, line := range []string{
		`msg="viewer came" kind=websocket remote=127.0.0.1:`, `msg="viewer left" kind=websocket remote=127.0.0.1:`, "reason=host",
		"host=evil.example", "reason=token",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in the log: %s", line, text)
		}
	}
}
