//go:build unix

package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"wsrun/internal/logs"
)

// A request compiles its expression once, whatever the form of the answer.
func TestGrepIsCompiledOnce(t *testing.T) {
	var compiled atomic.Int64
	compiler := logs.NewCompiler()
	b := serve(t, Options{Catalog: newLogFile(t), Token: "secret", compile: func(ctx context.Context, expr string, invert bool) (logs.Filter, error) {
		compiled.Add(1)
		return compiler.Compile(ctx, expr, invert)
	}})
	upgrade := []string{
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, tt := range []struct {
		method, query string
		headers       []string
		want          int
	}{
		{"GET", "", nil, 200}, {"GET", "&n=1", nil, 200}, {"GET", "&format=raw", nil, 200}, {"GET", "&invert=1", nil, 200}, {"HEAD", "", nil, 200},
		{"GET", "&tail=1", nil, 200}, {"GET", "", []string{"Accept", "text/html"}, 200}, {"GET", "", []string{"Accept", "text/event-stream"}, 200},
		{"GET", "&tail=1", upgrade, 101}, {"GET", "", upgrade, 101},
	} {
		compiled.Store(0)
		r, _ := http.NewRequest(tt.method, "http://"+b.addr+"/a.log?grep=hush"+tt.query, nil)
		r.Header.Set("Authorization", "Bearer secret")
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		resp, err := b.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n := compiled.Load(); resp.StatusCode != tt.want || n != 1 {
			t.Errorf("%s %s, %q: %s, compiled %d times", tt.method, tt.query, tt.headers, resp.Status, n)
		}
	}
}

// An expression that would take more than 10,000 instructions is refused before it is compiled,
// which would take half a second and 110 MiB.
func TestLargeExpressionsAreCheap(t *testing.T) {
	b := serve(t, Options{Catalog: newLogFile(t)})
	kind := refusedKind{name: "large expression", server: b, end: refusedEnd, repeat: "x", want: []int{400},
		start: "GET /a.log?grep=" + url.QueryEscape(slowExprs[0]) + refusedLine + "X: "}
	cheap := refusedKind{name: "wrong host", server: b, end: refusedEnd, repeat: "x", want: []int{421},
		start: refusedGet + "Host: evil.example\r\nX: "}
	const n = 100
	least := cheap.send(t, n, func() {})
	got := kind.send(t, n, func() {})
	t.Logf("%+v, %+v for %s", got, least, cheap.name)
	if got.cpu > maxRatio*least.cpu || got.allocated > 1<<20 || got.heap > maxHeapGrowth {
		t.Errorf("%+v, and %+v for %s", got, least, cheap.name)
	}
	resp, body := b.get("/a.log?grep=" + url.QueryEscape(slowExprs[0]))
	if resp.StatusCode != 400 || !strings.Contains(body, "more than 10000 instructions") {
		t.Errorf("%s, %q", resp.Status, body)
	}
	if resp, _ := b.get("/a.log?grep=" + url.QueryEscape(slowExprs[1])); resp.StatusCode != 200 {
		t.Errorf("just below the limit: %s", resp.Status)
	}
}
