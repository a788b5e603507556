//go:build linux

package server

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wsrun/broadcaster"
	"wsrun/hub"
	"wsrun/internal/access"
	"wsrun/internal/logs"
)

// A costSorter finds out what the rows ask for, from the server's own parts.
type costSorter struct {
	t        *testing.T
	names    *strings.Replacer
	catalogs map[string]Catalog // by costRow.on
	guard    *access.Guard
	mux      *http.ServeMux
	patterns []string

	// What has a row. Parameters are among the queries with and without their values, kinds are types.
	routes, targets, queries, kinds map[string]bool
}

var formNames = [forms]string{asText: " as text", asWebSocket: " as a WebSocket", asPage: " as a page", asEvents: " as events"}

// queryReaders are the functions that may read a query: the parameters that they read themselves, and those of
// parseQuery, have rows.
var queryReaders = map[string][]string{
	"server.parseQuery":                    nil,
	"(*server.Server).serveQR":             {"text"},
	"(*server.Server).clean":               nil, // repeats it in a redirect
	"(*internal/access.Guard).asksForPage": {"format"},
	"(*internal/access.Guard).Embeddable":  {"embed"},
	"(*internal/access.credentials).login": nil, // reads the body
}

// A route, a form of a target, a parameter, a value of one, or a kind of catalog or stream without a row in
// costRows fails this test.
func TestEveryRouteHasARow(t *testing.T) {
	s := newCostSorter(t)
	for _, row := range costRows {
		s.sort(row)
	}
	checked := checkPackages(t, ".", "../hub", "../internal/access")
	for _, c := range checked {
		constants, others := c.registrations()
		s.patterns = append(s.patterns, constants...)
		for _, other := range others {
			if other != "(*server.Server).routes: r.pattern" && other != "(*server.Server).routes: base" {
				t.Errorf("%s is registered: is it one of Server.table?", other)
			}
		}
		for reader := range c.queryReaders() {
			if _, known := queryReaders[reader]; !known {
				t.Errorf("%s reads a query: it must be in queryReaders, with the names of what it reads", reader)
			}
		}
	}
	for _, pattern := range s.patterns {
		s.need(s.routes, pattern)
	}
	for _, target := range []string{"command", "file", "archive", "list"} {
		for f := range forms {
			s.need(s.targets, target+formNames[f])
		}
	}
	server := checked[slices.IndexFunc(checked, func(c checkedPackage) bool { return c.pkg.Name() == "server" })]
	if n := server.constants("Target"); n != 3 {
		t.Errorf("there are %d targets, not just Nothing, AStream and AList: add theirs to this test", n)
	}
	for _, of := range []string{"Catalog", "Stream", "Stored"} {
		kinds := server.implementers(of)
		for _, kind := range kinds {
			s.need(s.kinds, kind)
		}
		if len(kinds) == 0 {
			t.Errorf("nothing implements %s", of)
		}
	}
	for _, names := range queryReaders {
		for _, name := range names {
			s.need(s.queries, name)
		}
	}
	for _, p := range parameters {
		s.need(s.queries, p.name)
		for _, value := range p.values {
			s.need(s.queries, p.name+"="+value)
		}
	}
	testParameters(t, server.texts())
}

// testParameters checks that parseQuery takes no parameter, and no value of one, but those that parameters
// lists, as long as it is a text in the source.
func testParameters(t *testing.T, texts map[string]bool) {
	t.Helper()
	none, _ := parseQuery("")
	for text := range texts {
		for _, p := range parameters {
			_, err := parseQuery(url.Values{p.name: {text}, "epoch": {"E"}}.Encode())
			_, isNumber := strconv.ParseUint(text, 10, 64)
			isAny := p.bits == 0 && p.values == nil
			if err == nil && text != "" && !isAny && !slices.Contains(p.values, text) && (p.bits == 0 || isNumber != nil) {
				t.Errorf("%s=%s isn't in parameters, but parseQuery takes it", p.name, text)
			}
		}
		if slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == text }) {
			continue
		}
		for _, value := range []string{"1", "x"} {
			if q, err := parseQuery(url.Values{text: {value}}.Encode()); err != nil || q != none {
				t.Errorf("%s isn't in parameters, but parseQuery reads it", text)
			}
		}
	}
	if !texts["format"] || !texts["raw"] {
		t.Error("the texts are incomplete")
	}
}

// Over one transport for each row, there are several rows for each transport.
func TestEveryTransportHasRows(t *testing.T) {
	rows := make([]int, transports)
	for i, row := range costRows {
		rows[row.turn(i)]++
	}
	t.Log(rows)
	for via, n := range rows {
		if n < 2 {
			t.Errorf("%d rows for %v", n, transport(via))
		}
	}
}

func newCostSorter(t *testing.T) *costSorter {
	t.Helper()
	b, dir := serveFolder(t, Options{})
	writeCostFiles(t, dir, 10_000)
	addFile(t, dir, "grow.log")
	command := Single(hub.Options{Stream: broadcaster.New(broadcaster.Options{})})
	t.Cleanup(command.Close)
	s := &costSorter{
		t: t, names: strings.NewReplacer("DIR", dir, "OWN", dir, "HOST", b.addr), mux: http.NewServeMux(), guard: b.srv.guard,
		catalogs: map[string]Catalog{"lines": command, "full": command, "files": b.srv.catalog},
		routes:   map[string]bool{}, targets: map[string]bool{}, queries: map[string]bool{}, kinds: map[string]bool{},
	}
	for _, r := range b.srv.table() {
		s.mux.HandleFunc(r.pattern, r.serve)
		s.patterns = append(s.patterns, r.pattern)
	}
	return s
}

// sort notes what a row's request is for.
func (s *costSorter) sort(row costRow) {
	text := s.names.Replace(row.request(http11, row.path, "HOST", ""))
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		s.t.Fatalf("%s: %v", row.path, err)
	}
	_, pattern := s.mux.Handler(r)
	s.routes[pattern] = true
	for name, values := range r.URL.Query() {
		s.queries[name] = true
		s.queries[name+"="+values[0]] = true
	}
	if pattern != "/" {
		return
	}
	target := s.target(s.catalogs[row.on], r)
	pass := func(_ http.ResponseWriter, r *http.Request) {
		q, _ := parseQuery(r.URL.RawQuery)
		s.targets[target+formNames[formOf(r, q)]] = true
	}
	refuse := func(_ http.ResponseWriter, _ *http.Request, refused *access.Refusal) {
		s.t.Errorf("%s is refused: %s", row.path, refused.Text)
	}
	s.guard.Wrap(http.HandlerFunc(pass), refuse).ServeHTTP(httptest.NewRecorder(), r)
}

// target returns what a request's path names, and notes the kinds that serve it.
func (s *costSorter) target(c Catalog, r *http.Request) string {
	s.note(c)
	filter, _ := logs.NewCompiler().Compile(s.t.Context(), "", false)
	stream, err := c.Open(s.t.Context(), r.URL.Path, filter)
	if err != nil {
		return "nothing"
	}
	defer stream.Close()
	s.note(stream)
	stored := stream.Stored()
	if stored != nil {
		s.note(stored)
	}
	switch {
	case c.Target(r.URL.Path) == AList:
		return "list"
	case stored == nil:
		return "command"
	case stored.Grows():
		return "file"
	}
	return "archive"
}

// note notes the type of a part.
func (s *costSorter) note(part any) { s.kinds[strings.TrimPrefix(fmt.Sprintf("%T", part), "*")] = true }

// need fails the test unless what is needed has a row.
func (s *costSorter) need(have map[string]bool, what string) {
	s.t.Helper()
	if !have[what] {
		s.t.Errorf("no row for %s", what)
	}
}
