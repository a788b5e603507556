//go:build linux

package server

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
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

	routes, targets, queries map[string]bool // that have a row
}

var formNames = [forms]string{asText: " as text", asWebSocket: " as a WebSocket", asPage: " as a page", asEvents: " as events"}

// A route, a form of a target or a parameter without a row in costRows fails this test.
func TestEveryRouteHasARow(t *testing.T) {
	s := newCostSorter(t)
	for _, row := range costRows {
		s.sort(row)
	}
	for _, pattern := range s.patterns {
		if !s.routes[pattern] {
			t.Errorf("no row for %s", pattern)
		}
	}
	for _, target := range []string{"command", "file", "archive", "list"} {
		for f := range forms {
			if name := target + formNames[f]; !s.targets[name] {
				t.Errorf("no row for %s", name)
			}
		}
	}
	targets := 0
	parsed(t, "catalog.go", func(n ast.Node) {
		if group, ok := n.(*ast.GenDecl); ok && group.Tok == token.CONST {
			if first := group.Specs[0].(*ast.ValueSpec); first.Type != nil && first.Type.(*ast.Ident).Name == "Target" {
				targets = len(group.Specs)
			}
		}
	})
	if targets != 3 {
		t.Errorf("there are %d targets, not just Nothing, AStream and AList: add theirs to this test", targets)
	}
	names := costParameters(t)
	if len(names) < 8 {
		t.Errorf("only %q are parameters", names)
	}
	for _, name := range names {
		if !s.queries[name] {
			t.Errorf("no row with %s=", name)
		}
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
		routes:   map[string]bool{}, targets: map[string]bool{}, queries: map[string]bool{},
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
	if pattern != "/" {
		return
	}
	for name := range r.URL.Query() {
		s.queries[name] = true
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

// target returns what a request's path names.
func (s *costSorter) target(c Catalog, r *http.Request) string {
	switch c.Target(r.URL.Path) {
	case Nothing:
		return "nothing"
	case AList:
		return "list"
	}
	filter, _ := logs.NewCompiler().Compile(s.t.Context(), "", false)
	stream, err := c.Open(s.t.Context(), r.URL.Path, filter)
	if err != nil {
		return "nothing"
	}
	defer stream.Close()
	switch stored := stream.Stored(); {
	case stored == nil:
		return "command"
	case stored.Grows():
		return "file"
	}
	return "archive"
}

// costParameters returns the names of the parameters that parseQuery reads.
func costParameters(t *testing.T) (names []string) {
	t.Helper()
	parsed(t, "query.go", func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return
		}
		selected, ok := call.Fun.(*ast.SelectorExpr)
		name, literal := call.Args[0].(*ast.BasicLit)
		if ok && literal && (selected.Sel.Name == "Get" || selected.Sel.Name == "Has") {
			text, _ := strconv.Unquote(name.Value)
			names = append(names, text)
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// parsed calls visit for each node of a file of this package.
func parsed(t *testing.T, file string, visit func(ast.Node)) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool { visit(n); return true })
}
