package server

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/test/htpasswd"
)

// The tables of the matrix say, next to each value of a header, how it must be judged. These
// judgements were made by hand, independently of the guard's code.

// A matrixHost is a value of the Host header.
type matrixHost struct {
	host string
	ours bool
}

var matrixHosts = []matrixHost{
	{"127.0.0.1:9000", true}, {"localhost:9000", true}, {"LocalHost:9000", true}, {"[::1]:9000", true}, {"logs.example", true},
	{"", false}, {"localhost", false}, {"localhost:9001", false}, {"localhost.:9000", false}, {"evil.example:9000", false},
	{"localhost.evil.example:9000", false}, {"evil.example", false}, {"user@localhost:9000", false}, {"127.0.0.1:9000:9000", false},
	{"[::1%lo]:9000", false}, {"::1:9000", false}, {"[0:0:0:0:0:0:0:1]:9000", false}, {"127.1:9000", false}, {"2130706433:9000", false},
	{"0.0.0.0:9000", false}, {"127.0.0.1:09000", false}, {"logs.example:9000", false}, {"logs.example.", false},
	{"localhost:9000, evil.example", false},
}

// The owners of an origin.
const (
	absent = iota
	ours
	friend
	foreign
)

// A matrixOrigin is a value of the Origin header.
type matrixOrigin struct {
	origin string // a "|" separates the values of two headers
	whose  int
}

var matrixOrigins = []matrixOrigin{
	{"", absent}, {"http://localhost:9000", ours}, {"http://127.0.0.1:9000", ours}, {"https://logs.example", ours}, {"http://logs.example", ours},
	{"https://friend.example:8443", friend},
	{"null", foreign}, {"http://localhost:9001", foreign}, {"http://localhost", foreign}, {"https://localhost:9000", foreign},
	{"http://evil.example", foreign}, {"http://evil.example:9000", foreign}, {"https://friend.example", foreign},
	{"http://friend.example:8443", foreign},
	{"https://friend.example:8443.evil.example", foreign}, {"http://localhost:9000/", foreign}, {"http://x@localhost:9000", foreign},
	{"http://localhost:9000@evil.example", foreign}, {"file://", foreign}, {"localhost:9000", foreign}, {"ws://localhost:9000", foreign},
	{"http://localhost:9000|http://localhost:9000", foreign}, {"http://localhost:9000 http://evil.example", foreign},
	{"HTTP://localhost:9000", foreign},
}

// The kinds of requests that Sec-Fetch headers describe.
const (
	fine  = iota // made by the user or by wsrun's own page
	link         // follows another site's link
	frame        // fills a frame of another site's page
	bad          // made by another site's page
)

// A matrixFetch is a set of values of the Sec-Fetch headers.
type matrixFetch struct {
	site, mode, dest string
	kind             int
}

var matrixFetches = []matrixFetch{
	{"", "", "", fine}, {"same-origin", "cors", "empty", fine}, {"none", "navigate", "document", fine}, {"same-origin", "websocket", "empty", fine},
	{"cross-site", "navigate", "document", link}, {"same-site", "navigate", "document", link},
	{"cross-site", "navigate", "iframe", frame}, {"same-site", "navigate", "iframe", frame},
	{"cross-site", "no-cors", "script", bad}, {"cross-site", "no-cors", "image", bad}, {"same-site", "cors", "empty", bad},
	{"cross-site", "websocket", "empty", bad},
	{"same-site", "no-cors", "document", bad}, {"cross-site", "navigate", "object", bad}, {"cross-site", "navigate", "embed", bad},
	{"cross-site", "", "", bad},
	{"Same-Origin", "cors", "empty", bad}, {"same-origin|cross-site", "navigate", "document", link}, {"garbage", "cors", "empty", bad},
}

// A matrixRoute is a request target in one form.
type matrixRoute struct {
	target, accept string
	page, embed    bool           // this is the page; the page may be embedded
	public         bool           // needs no credentials
	hidden         bool           // without credentials, the page is served even if the file doesn't exist
	answers        map[string]int // status by method, if the guard lets the request through
}

const (
	elsewise = "any other method"
	loggedIn = -1 // 204 if the server needs no credentials, 401 otherwise because the form is empty
)

var reading = map[string]int{"GET": 200, "HEAD": 200, elsewise: 405}

var matrixRoutes = []matrixRoute{
	{target: "/", accept: "text/html", page: true, public: true, answers: reading},
	{target: "/?embed", accept: "text/html", page: true, embed: true, public: true, answers: reading},
	{target: "/", accept: "*/*", answers: reading},
	{target: "/?embed&format=raw", accept: "text/html", answers: reading},
	{target: "/?tail=0", accept: "text/event-stream", answers: reading},
	{target: "/", accept: "websocket", answers: map[string]int{"GET": 101, "HEAD": 405, elsewise: 405}},
	{target: "/-/status", answers: reading},
	{target: "/-/healthz", answers: reading},
	{target: "/-/metrics", answers: reading},
	{target: "/-/qr?text=x", answers: reading},
	{target: "/-/static/0/app.js", public: true, answers: map[string]int{"GET": 404, "HEAD": 404, elsewise: 405}},
	{target: "/-/login", accept: "text/html", public: true, answers: map[string]int{"GET": 405, "HEAD": 405, "POST": loggedIn, elsewise: 405}},
	{target: "/no/such", answers: map[string]int{"GET": 404, "HEAD": 404, elsewise: 404}},
	{target: "/-/no/such", accept: "text/html", answers: map[string]int{"GET": 404, "HEAD": 404, elsewise: 404}},
	{target: "/-/static/../status", answers: map[string]int{"GET": 307, "HEAD": 307, elsewise: 307}, public: true},
	{target: "*", answers: map[string]int{"GET": 400, "HEAD": 400, elsewise: 400}},
}

// matrixFilesRoutes holds the routes of wsrun files. The routes below /-/ are the same as above.
var matrixFilesRoutes = []matrixRoute{
	{target: "/", accept: "text/html", page: true, public: true, answers: reading},
	{target: "/", answers: reading},
	{target: "/", accept: "application/json", answers: reading},
	{target: "/a.log", accept: "text/html", page: true, public: true, answers: reading},
	{target: "/a.log?embed", accept: "text/html", page: true, embed: true, public: true, answers: reading},
	{target: "/a.log", answers: reading},
	{target: "/a.log?format=raw", answers: reading},
	{target: "/a.log", accept: "websocket", answers: map[string]int{"GET": 101, "HEAD": 200, elsewise: 405}},
	{target: "/b.log", answers: map[string]int{"GET": 404, "HEAD": 404, elsewise: 405}},
	{target: "/b.log", accept: "text/html", page: true, hidden: true, public: true, answers: map[string]int{"GET": 404, "HEAD": 404, elsewise: 405}},
	{target: "/-/status", answers: reading},
}

// A matrixCell is one request.
type matrixCell struct {
	matrixHost
	matrixOrigin
	matrixFetch
	matrixRoute
	method     string
	guarded    bool // the server needs credentials
	credential string
}

// want returns the status with which the cell must be answered.
func (c matrixCell) want() int {
	known := !c.guarded || c.credential != ""
	switch {
	case !c.ours:
		return 421
	case c.whose == foreign:
		return 403
	case c.whose == friend, c.kind == fine:
	case c.kind == link && c.page && c.method == "GET":
	case c.kind == frame && c.embed && c.method == "GET":
	default:
		return 403
	}
	switch {
	case c.public:
	case c.credential == "Cookie" && c.whose == absent && c.site == "" && c.host != "logs.example":
		return 403 // there, every browser sends Sec-Fetch-Site
	case !known:
		return 401
	}
	if c.hidden && !known && (c.method == "GET" || c.method == "HEAD") {
		return 200
	}
	status, ok := c.answers[c.method]
	if !ok {
		status = c.answers[elsewise]
	}
	if status == loggedIn {
		status = 401
		if !c.guarded {
			status = 204
		}
	}
	return status
}

// request returns the request of a cell.
func (c matrixCell) request(cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest(c.method, "/", nil)
	r.Host, r.RequestURI = c.host, c.target
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(c.target, "?")
	headers := map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site, "Sec-Fetch-Mode": c.mode, "Sec-Fetch-Dest": c.dest, "Accept": c.accept}
	if c.accept == "websocket" {
		headers["Connection"], headers["Upgrade"] = "Upgrade", "websocket"
		headers["Sec-WebSocket-Version"], headers["Sec-WebSocket-Key"] = "13", "dGhlIHNhbXBsZSBub25jZQ=="
	}
	switch c.credential {
	case "Bearer":
		headers["Authorization"] = "Bearer secret"
	case "Basic":
		r.SetBasicAuth("ann", "ann-pw")
	case "Cookie":
		r.AddCookie(cookie)
	}
	for name, values := range headers {
		for v := range strings.SplitSeq(values, "|") {
			if v != "" {
				r.Header.Add(name, v)
			}
		}
	}
	return r
}

// oneIn says which share of the cells is tested, because all of them take too long
// (docs/facts.md, server). It has no factor in common with the numbers of values, so that
// every pair of values is tested.
const oneIn = 199

// TestMatrix requests every route with every method, Host, Origin and kind of Sec-Fetch headers,
// with and without credentials.
func TestMatrix(t *testing.T) {
	marker := strings.TrimSpace(logContent) // in the files, and in the command's output
	path := filepath.Join(t.TempDir(), "users")
	htpasswd.Write(t, path, map[string]int{"ann": 4})
	users, err := access.OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, cells, leaks := 0, 0, 0
	for _, served := range []struct {
		token       string
		users       *access.Users
		credentials []string
		files       bool
	}{
		{credentials: []string{""}}, {token: "secret", credentials: []string{"", "Bearer", "Cookie"}},
		{users: users, credentials: []string{"", "Basic", "Cookie"}},
		{credentials: []string{""}, files: true}, {token: "secret", credentials: []string{"", "Bearer", "Cookie"}, files: true},
	} {
		o := Options{
			Token: served.token, Users: served.users, Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000},
			AllowHosts: []string{"logs.example"}, AllowOrigins: []string{"https://friend.example:8443"},
		}
		routes := matrixRoutes
		if served.files {
			routes = matrixFilesRoutes
			o.Catalog = newLogFile(t)
		} else {
			b := broadcaster.New(broadcaster.Options{})
			b.Write([]byte(marker + "\n"))
			b.Emit(broadcaster.Exit{})
			b.Close()
			o.Catalog = Single(hub.Options{Stream: b, Title: marker, Command: []string{marker}})
		}
		s := New(o)
		t.Cleanup(func() { s.Shutdown(t.Context()) })
		guarded := served.token != "" || served.users != nil
		login := httptest.NewRequest("POST", "http://localhost:9000/-/login", strings.NewReader("token=secret&user=ann&password=ann-pw"))
		login.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, login)
		cookie := &http.Cookie{Name: "wsrun_9000"}
		if guarded {
			cookie = w.Result().Cookies()[0]
		}
		ask := func(c matrixCell) {
			if all++; all%oneIn != 0 {
				return
			}
			cells++
			w, want := httptest.NewRecorder(), c.want()
			r := c.request(cookie)
			r.RemoteAddr = fmt.Sprintf("192.0.%d.%d:1", byte(cells>>8), byte(cells)) // has made no failed attempts
			s.http.Handler.ServeHTTP(w, r)
			leaked := bytes.Contains(w.Body.Bytes(), []byte(marker)) && (want >= 300 || guarded && c.credential == "")
			if leaked {
				leaks++
			}
			if w.Code != want || leaked {
				t.Fatalf("%+v: %d, want %d\n%q", c, w.Code, want, w.Body)
			}
		}
		for _, route := range routes {
			for _, host := range matrixHosts {
				for _, origin := range matrixOrigins {
					for _, fetch := range matrixFetches {
						for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"} {
							for _, credential := range served.credentials {
								ask(matrixCell{host, origin, fetch, route, method, guarded, credential})
							}
						}
					}
				}
			}
		}
	}
	t.Attr("promise", "the guard, asked for every route by every method, under every Host, Origin and Sec-Fetch header, answers as the table says")
	t.Attr("figure", fmt.Sprintf("%d cells asked of %d, %d leaks", cells, all, leaks))
}
