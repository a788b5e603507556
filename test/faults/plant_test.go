//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// plantedPackages are those whose goroutines serve viewers.
var plantedPackages = []string{"hub", "server", "internal/logs", "filetail", "screen", "broadcaster", "cli"}

// plantedFunctions are functions, besides those that goroutines begin with, in which a panic is planted
// too: where what serves one viewer, or many, might be left half done.
var plantedFunctions = []string{
	"hub.writer.serve", "hub.writer.serveQueue", "hub.writer.pass", "hub.writerLoop.loop", "hub.viewer.catchUp",
	"hub.viewer.follow", "hub.viewer.sendHello", "hub.viewer.sendItem", "hub.viewer.end", "hub.viewer.gone", "hub.wire.send",
	"hub.joinTracker.follow", "hub.joinTracker.write", "hub.joinTracker.open", "hub.joinTracker.join",
	"hub.deflate", "hub.deflateCache.entry", "hub.frameCache.get", "hub.awakeClock.run", "hub.joinTracker.run",
	"hub.listener.Accept", "hub.conn.Read", "hub.Session.Begin",
	"hub.Sessions.ServeWebSocket", "hub.Sessions.upgrade", "hub.Sessions.ServeContent", "hub.viewer.sendContent", "hub.Sessions.TurnAway",
	"server.serveText", "server.serveEvents", "server.Server.serveStream", "server.Server.serveStored", "server.Server.serveLive",
	"server.Server.serveWebSocket", "server.Server.enter", "server.Server.turnAway", "server.strangers.context", "server.strangers.state",
	"internal/logs.intake.Write", "internal/logs.Logs.open", "internal/logs.Logs.join", "internal/logs.Logs.leave", "internal/logs.Content.Copy",
	"filetail.Watcher.signal", "filetail.follower.step", "filetail.follower.look",
	"screen.Screen.WriteUntil", "screen.newVT", "cli.service.endServing",
}

// plantedFile is added to each of the packages. WSRUN_PLANT is a place and the name of a file: the first
// time that the place is reached while the file exists, it panics.
const plantedFile = `package %s

import (
	"os"
	"strings"
	"sync/atomic"
)

var plantPlace, plantFile, _ = strings.Cut(os.Getenv("WSRUN_PLANT"), ":")
var plantDone atomic.Bool

func planted(place string) {
	if place != plantPlace || plantDone.Load() {
		return
	}
	if _, err := os.Stat(plantFile); err == nil && !plantDone.Swap(true) {
		panic("planted in " + place)
	}
}
`

// A garden is the source of a package, with places for panics.
type garden struct {
	name  string // of the package below the module
	files map[string]*ast.File
	text  map[string][]byte
	set   *token.FileSet
	names map[string]bool // functions and methods, without their types, that goroutines begin with
	plots map[string][]plot
}

// A plot is where a call is inserted.
type plot struct {
	offset int
	place  string
}

// plant builds wsrun with a place for a panic in each function that a goroutine begins with, in each
// handler and in plantedFunctions. It returns the binary's path, and the places.
func plant(t *testing.T) (path string, places []string) {
	t.Helper()
	dir := t.TempDir()
	overlay := map[string]string{}
	for _, name := range plantedPackages {
		g := newGarden(t, name)
		places = append(places, g.plant()...)
		for file, text := range g.files {
			overlay[file] = filepath.Join(dir, strings.ReplaceAll(name, "/", "_")+"_"+filepath.Base(file))
			write(t, overlay[file], g.planted(file))
			overlay[filepath.Join(filepath.Dir(file), "planted_faults.go")] = overlay[file] + ".planted.go"
			write(t, overlay[file]+".planted.go", fmt.Appendf(nil, plantedFile, text.Name.Name))
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), text)
	path = filepath.Join(dir, "wsrun")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "wsrun")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build wsrun with places for panics: %v\n%s", err, out)
	}
	slices.Sort(places)
	return path, places
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newGarden parses the files of a package that this system uses.
func newGarden(t *testing.T, name string) *garden {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := &garden{name: name, files: map[string]*ast.File{}, text: map[string][]byte{}, set: token.NewFileSet(),
		names: map[string]bool{}, plots: map[string][]plot{}}
	for _, base := range p.GoFiles {
		file := filepath.Join(dir, base)
		if g.text[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		if g.files[file], err = parser.ParseFile(g.set, file, g.text[file], parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// plant finds the package's places.
func (g *garden) plant() (places []string) {
	add := func(file, place string, body *ast.BlockStmt) {
		g.plots[file] = append(g.plots[file], plot{g.set.Position(start(body)).Offset, place})
		places = append(places, place)
	}
	for _, file := range slices.Sorted(maps.Keys(g.files)) {
		for _, f := range functions(g.files[file]) {
			for i, body := range g.begun(f) {
				add(file, fmt.Sprintf("%s.%s#%d", g.name, nameOf(f), i+1), body)
			}
		}
	}
	for _, file := range slices.Sorted(maps.Keys(g.files)) {
		for _, f := range functions(g.files[file]) {
			place := g.name + "." + nameOf(f)
			if g.names[f.Name.Name] || slices.Contains(plantedFunctions, place) {
				add(file, place, f.Body)
			}
		}
	}
	return places
}

func functions(f *ast.File) (all []*ast.FuncDecl) {
	for _, d := range f.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			all = append(all, f)
		}
	}
	return all
}

// nameOf returns a function's name, after its receiver's type if it is a method.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	if p, ok := of.(*ast.StarExpr); ok {
		of = p.X
	}
	return of.(*ast.Ident).Name + "." + f.Name.Name
}

// begun returns the bodies of the function literals in f that goroutines begin with, and collects the
// names of functions that do. Handlers count: net/http calls each in a goroutine.
func (g *garden) begun(f *ast.FuncDecl) (bodies []*ast.BlockStmt) {
	begin := func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.FuncLit:
			bodies = append(bodies, e.Body)
		case *ast.SelectorExpr:
			g.names[e.Sel.Name] = true
		case *ast.Ident:
			if lit := literalOf(f, e.Name); lit != nil && !slices.Contains(bodies, lit.Body) {
				bodies = append(bodies, lit.Body)
			} else if lit == nil {
				g.names[e.Name] = true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			begin(n.Call.Fun)
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok {
				switch s.Sel.Name {
				case "Go":
					begin(n.Args[0])
				case "AfterFunc":
					begin(n.Args[1])
				case "KeepRunning":
					begin(n.Args[2])
				}
			}
		case *ast.CompositeLit:
			if nameOf(f) == "Server.table" {
				handlers(n, func(name string) { g.names[name] = true })
			}
		}
		return true
	})
	return bodies
}

// literalOf returns the function literal that f assigns to a local variable, or nil.
func literalOf(f *ast.FuncDecl, name string) (lit *ast.FuncLit) {
	ast.Inspect(f, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if ok && len(a.Lhs) == 1 {
			if left, ok := a.Lhs[0].(*ast.Ident); ok && left.Name == name {
				if found, ok := a.Rhs[0].(*ast.FuncLit); ok {
					lit = found
				}
			}
		}
		return lit == nil
	})
	return lit
}

// handlers calls found with each method that a row of the table of routes names.
func handlers(row *ast.CompositeLit, found func(string)) {
	for _, e := range row.Elts {
		ast.Inspect(e, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name != "reading" {
				found(s.Sel.Name)
			}
			return true
		})
	}
}

// start returns where a call belongs that a function makes first: after the locks that it takes and what
// it defers, which is what contains its panics.
func start(body *ast.BlockStmt) token.Pos {
	at := body.Lbrace + 1
	for _, s := range body.List {
		switch s := s.(type) {
		case *ast.DeferStmt:
			at = s.End()
			continue
		case *ast.DeclStmt: // used by what is deferred
			continue
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Lock" {
					at = s.End()
					continue
				}
			}
		}
		break
	}
	return at
}

// planted returns the text of a file with its calls.
func (g *garden) planted(file string) []byte {
	plots, text := g.plots[file], g.text[file]
	slices.SortFunc(plots, func(a, b plot) int { return b.offset - a.offset })
	for _, p := range plots {
		text = slices.Concat(text[:p.offset], fmt.Appendf(nil, "; planted(%q); ", p.place), text[p.offset:])
	}
	return text
}
