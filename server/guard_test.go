package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"wsrun/internal/protocol"
	"wsrun/static"
)

// TestGuard covers Host and Origin on a server that may be called by several names.
func TestGuard(t *testing.T) {
	b := serve(t, Options{AllowHosts: []string{"logs.example"}, AllowOrigins: []string{"https://friend.example"}})
	_, port, _ := net.SplitHostPort(b.addr)
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for _, tt := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:" + port, "", 200},
		{"localhost:" + port, "", 200},
		{"LOCALHOST:" + port, "", 200},
		{"[::1]:" + port, "", 200},
		{"logs.example", "", 200},
		{"logs.example", "https://logs.example", 200},
		{"localhost:" + port, "http://localhost:" + port, 200},
		{"localhost:" + port, "http://127.0.0.1:" + port, 200},
		{"localhost:" + port, "https://friend.example", 200},
		{"localhost", "", 421},
		{"localhost:1", "", 421},
		{"evil.example:" + port, "", 421},
		{"evil.example:" + port, "http://evil.example:" + port, 421},
		{"localhost.evil.example:" + port, "", 421},
		{"logs.example:" + port, "", 421},
		{"localhost:" + port, "null", 403},
		{"localhost:" + port, "http://localhost:1", 403},
		{"localhost:" + port, "http://evil.example", 403},
		{"localhost:" + port, "file://localhost:" + port, 403},
		{"localhost:" + port, "https://friend.example.evil.example", 403},
	} {
		headers := []string{"Host", tt.host}
		if tt.origin != "" {
			headers = append(headers, "Origin", tt.origin)
		}
		for _, path := range []string{"/", "/-/status", "/-/healthz"} {
			if resp, body := b.get(path, headers...); resp.StatusCode != tt.want || tt.want != 200 && strings.Contains(body, "epoch") {
				t.Errorf("%s, Host %s, Origin %s: %s, want %d", path, tt.host, tt.origin, resp.Status, tt.want)
			}
		}
		if tt.want == 200 {
			continue
		}
		if resp, _ := b.get("/", append(headers, ws...)...); resp.StatusCode != tt.want {
			t.Errorf("WebSocket, Host %s, Origin %s: %s, want %d", tt.host, tt.origin, resp.Status, tt.want)
		}
	}
}

// TestGuardOnTheWire sends requests that net/http's client can't: with repeated or odd headers
// and request targets.
func TestGuardOnTheWire(t *testing.T) {
	b := serve(t, Options{})
	_, port, _ := net.SplitHostPort(b.addr)
	host := "Host: " + b.addr + "\r\n"
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\n" + host:                            200,
		"GET / HTTP/1.0\r\n" + host:                            200,
		"GET / HTTP/1.0\r\n":                                   421,
		"GET / HTTP/1.1\r\n":                                   400,
		"GET / HTTP/1.1\r\nHost:\r\n":                          421,
		"GET / HTTP/1.1\r\n" + host + host:                     400,
		"GET / HTTP/1.1\r\n" + host + "Host: evil.example\r\n": 400,
		"GET / HTTP/1.1\r\nHost : " + b.addr + "\r\n":          400,
		"GET / HTTP/1.1\r\n" + host + "Origin: http://" + b.addr + "\r\nOrigin: null\r\n":       403,
		"GET / HTTP/1.1\r\n" + host + "Origin:\r\n":                                             403,
		"GET / HTTP/1.1\r\n" + host + "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n":  403,
		"GET / HTTP/1.1\r\n" + host + "X-Forwarded-Host: evil.example\r\n":                      200,
		"GET http://" + b.addr + "/ HTTP/1.1\r\nHost: evil.example\r\n":                         200, // RFC 9112, section 3.2.2
		"GET http://evil.example/ HTTP/1.1\r\n" + host:                                          421,
		"GET http://evil.example@" + b.addr + "/ HTTP/1.1\r\n" + host:                           200,
		"GET http://" + b.addr + "@evil.example/ HTTP/1.1\r\n" + host:                           421,
		"GET ftp://" + b.addr + "/ HTTP/1.1\r\n" + host:                                         421,
		"GET //evil.example/ HTTP/1.1\r\n" + host:                                               307,
		"OPTIONS * HTTP/1.1\r\n" + host:                                                         400,
		"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n":                                          421,
		"CONNECT evil.example:" + port + " HTTP/1.1\r\nHost: evil.example:" + port + "\r\n":     421,
		"GET / HTTP/1.1\r\n" + host + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n": 200,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n":                                                          421,
		"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Host: " + b.addr + "\r\n":                    421,
		"GET / HTTP/1.1\r\nHost: " + b.addr + " evil.example\r\n":                               400,
		"GET / HTTP/1.1\r\nHost: \tevil.example\r\n":                                            421,
		"GET / HTTP/1.1\r\nHost: evil.example\r\nForwarded: host=\"" + b.addr + "\"\r\n":        421,
		"GET / HTTP/1.1\r\nHost: evil.example\r\nX-HTTP-Method-Override: GET\r\n":               421,
	} {
		if resp := b.raw(request + "\r\n"); resp == nil || resp.StatusCode != want {
			t.Errorf("%q: %v, want %d", request, resp, want)
		}
	}
}

// TestHeaders checks the headers of every kind of response: browsers may treat it only as text,
// or as the page, and must keep it from other sites.
func TestHeaders(t *testing.T) {
	b := serve(t, Options{Token: "secret", AllowOrigins: []string{"https://friend.example"}})
	b.Write([]byte("<script>alert(1)</script>\n"))
	b.end(0)
	answers := 0
	inspect := func(path string, headers []string, resp *http.Response, body string) {
		answers++
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		}
		if strings.HasPrefix(path, "/-/static/"+static.Digest()) && resp.StatusCode == 200 {
			want["Cache-Control"] = "public, max-age=31536000, immutable"
		}
		for name, value := range want {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s, %q: %s: %q", path, headers, name, got)
			}
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s, %q: %s", path, headers, name)
			}
		}
		kind, csp := resp.Header.Get("Content-Type"), resp.Header.Get("Content-Security-Policy")
		isPage := strings.HasPrefix(kind, "text/html") && resp.StatusCode == 200
		if isPage != strings.Contains(body, "<!doctype") || !isPage && csp != "default-src 'none'; frame-ancestors 'none'; sandbox" {
			t.Errorf("%s, %q: %s, policy %q", path, headers, kind, csp)
		}
		if isPage && (!strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; ") || strings.Contains(csp, "unsafe-eval")) {
			t.Errorf("%s, %q: the page's policy is %q", path, headers, csp)
		}
		if strings.Contains(body, "alert(1)") && kind != "text/plain; charset=utf-8" && kind != "text/event-stream" {
			t.Errorf("%s, %q: output as %s", path, headers, kind)
		}
	}
	for _, path := range []string{
		"/", "/?format=raw", "/?tail=1", "/?n=x", "/?embed&format=text", "/-/status", "/-/healthz", "/-/metrics", "/-/qr?text=x",
		"/-/login", "/no/such", "/-/static/x/app.js", "/..//",
		"/-/static/" + static.Digest() + "/app.js",
	} {
		for _, headers := range [][]string{
			{"Authorization", "Bearer secret"}, {"X", ""}, {"Host", "evil.example"}, {"Origin", "null"},
			{"Authorization", "Bearer secret", "Accept", "text/html"},
			{"Authorization", "Bearer secret", "Accept", "text/event-stream"}, {"Authorization", "Bearer secret", "Origin", "https://friend.example"},
		} {
			resp, body := b.get(path, headers...)
			inspect(path, headers, resp, body)
		}
	}
	full := serve(t, Options{MaxViewers: 1})
	full.dial("", protocol.Subprotocol)
	files := serve(t, Options{Catalog: newLogFile(t)})
	for _, last := range []struct {
		b       *bench
		path    string
		headers []string
		want    int
	}{
		{full, "/?tail=1", nil, 503},
		{files, "/a.log?format=raw", []string{"Range", "bytes=99-"}, 416},
		{b, "/", []string{"Authorization", "Bearer wrong"}, 429},
	} {
		for range 5 {
			last.b.get(last.path, last.headers...)
		}
		resp, body := last.b.get(last.path, last.headers...)
		inspect(last.path, last.headers, resp, body)
		if resp.StatusCode != last.want {
			t.Errorf("%s: %s, want %d", last.path, resp.Status, last.want)
		}
	}
	b.forgive()
	t.Attr("promise", "every answer has the headers that keep browsers from making anything of it")
	t.Attr("figure", fmt.Sprintf("%d answers", answers))
	for path, frames := range map[string]bool{"/?embed": true, "/": false, "/?format=text&embed": false} {
		resp, _ := b.get(path, "Accept", "text/html", "Authorization", "Bearer secret")
		csp := resp.Header.Get("Content-Security-Policy")
		if (resp.Header.Get("X-Frame-Options") == "") != frames ||
			strings.Contains(csp, "frame-ancestors https://friend.example;") != frames && strings.Contains(csp, "frame-ancestors 'none'") == frames {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

// TestEscapedPaths checks that redirects and the page's relative links keep a path's escapes.
func TestEscapedPaths(t *testing.T) {
	b := serve(t, Options{Token: "secret", Catalog: newLogFile(t)})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]string{
		"//tmp/a%20b%25.log": "/tmp/a%20b%25.log", "/a/..%2fb/../c%3f/": "/a/c%3f/", "/x/./%c3%a9/?q=%20//": "/x/%c3%a9/?q=%20//",
		"/a//": "/a/", "//": "/",
		"//evil.example/": "/evil.example/", "/.//evil.example": "/evil.example", "/a/../%5cevil.example": "/%5cevil.example", "/a%2fb%2f%2fc": "",
	} {
		r, _ := http.NewRequest("GET", "http://"+b.addr+path, nil)
		r.Header.Set("Authorization", "Bearer secret")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("%s leads to %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{"/x%2fy%2fz": "./-/static/", "/x/y%2fz": "./../-/static/", "/x/y/z": "./../../-/static/"} {
		if _, page := b.get(path, "Accept", "text/html"); !strings.Contains(page, `src="`+want) {
			t.Errorf("the page at %s does not look for its own at %s", path, want)
		}
	}
}

// TestRanges checks that any range of a log is sent as text, sandboxed and not cached.
func TestRanges(t *testing.T) {
	b := serve(t, Options{Catalog: newLogFile(t)})
	for asked, want := range map[string]int{
		"": 200, "bytes=1-3": 206, "bytes=-2": 206, "bytes=1-2,4-5": 200, "bytes=0-0,-1": 200, "bytes=99-": 416,
		"bytes=99-,100-": 200, "lines=1": 416,
	} {
		resp, body := b.get("/a.log?format=raw", "Range", asked)
		if resp.StatusCode != want || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
			resp.Header.Get("Cache-Control") != "no-store" ||
			resp.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'; sandbox" || want == 200 && body != logContent {
			t.Errorf("%q: %s, want %d; %v, %q", asked, resp.Status, want, resp.Header, body)
		}
	}
}

// TestRefusalsQuote checks that a refusal quotes the client's own headers.
func TestRefusalsQuote(t *testing.T) {
	b := serve(t, Options{})
	for header, want := range map[string]string{"Origin: \x85\x9b31m": `\x85\x9b31m`, "Origin: http://\u202egpj": `\u202e`} {
		resp := b.raw("GET / HTTP/1.1\r\nHost: " + b.addr + "\r\n" + header + "\r\n\r\n")
		if resp == nil {
			t.Fatalf("%q: no answer", header)
		}
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 403 || !strings.Contains(string(body), want) {
			t.Errorf("%q: %s, %q", header, resp.Status, body)
		}
	}
}

// TestBase checks that with a base, which is for proxies that don't strip it, everything is
// below the base and nothing is beside it.
func TestBase(t *testing.T) {
	b := serve(t, Options{Base: "/a/logs/", Token: "secret"})
	b.Write([]byte("output\n"))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, tt := range []struct {
		path, to string
		want     int
	}{
		{"/a/logs/", "", 200}, {"/a/logs/-/status", "", 200}, {"/a/logs", "/a/logs/", 307}, {"/a/logs//%25", "/a/logs/%25", 307},
		{"/a/logs//-/status", "/a/logs/-/status", 307},
		{"/a/logs/-/../-/status", "/a/logs/-/status", 307}, {"/", "", 404}, {"/-/status", "", 404}, {"/a/logsx/", "", 404}, {"/a/logs/-/no", "", 404},
	} {
		r, _ := http.NewRequest("GET", "http://"+b.addr+tt.path, nil)
		r.Header.Set("Authorization", "Bearer secret")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want || resp.Header.Get("Location") != tt.to {
			t.Errorf("%s: %s, to %q", tt.path, resp.Status, resp.Header.Get("Location"))
		}
	}
	for path, want := range map[string]int{
		"/a/logs/": 200, "/a/logs": 200, "/a/": 401, "/-/login": 401, "/-/static/x": 401, "/a/logs/-/healthz": 401,
	} {
		if resp, _ := b.get(path, "Accept", "text/html"); resp.StatusCode != want {
			t.Errorf("%s without a token: %s", path, resp.Status)
		}
	}
	resp, cookie := b.login(url.Values{"token": {"secret"}})
	if resp.StatusCode != 204 || cookie == nil || cookie.Path != "/a/logs/" {
		t.Errorf("log in: %s, %v", resp.Status, cookie)
	}
	resp, page := b.get("/a/logs/", "Accept", "text/html")
	if resp.StatusCode != 200 || !strings.Contains(page, `src="./-/static/`) {
		t.Errorf("%s: the page's links don't begin here", resp.Status)
	}
}
