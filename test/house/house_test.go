// Package house tests the structure of the program against docs/design.md: which package may
// import which, how large each may grow, and how long its functions and lines may be.
package house

import (
	"bufio"
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "wsrun"

	// largestShare is the part of the lines of Go, tests left out, that one package may have.
	largestShare = 0.20
	// Limits for code that isn't a test.
	maxFunctionLines = 60
	maxParameters    = 5
	maxColumns       = 150
	tabColumns       = 4
)

// A pkg is a package as go list describes it.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Standard   bool
}

// list returns the packages of the module, for a system.
func list(t *testing.T, system string) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Standard", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 15 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// systems are those whose files' build tags differ.
var systems = []string{"linux", "darwin", "windows"}

// A layer is a row of docs/design.md's table.
type layer struct {
	number int
	except []string // packages below that it must not import
}

// layers reads the block below the heading "Layers" in docs/design.md.
func layers(t *testing.T) map[string]layer {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "docs/design.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string]layer{}
	in := false
	for s := bufio.NewScanner(f); s.Scan(); {
		switch line := s.Text(); {
		case strings.HasPrefix(line, "## "):
			in = line == "## Layers"
		case in && strings.HasPrefix(line, "    "):
			fields := strings.Fields(line)
			n, err := strconv.Atoi(fields[0])
			if err != nil {
				t.Fatalf("%q does not begin with a layer's number", line)
			}
			for _, name := range fields[1:] {
				if except, ok := strings.CutPrefix(name, "-"); ok {
					last := found[fields[1]]
					last.except = append(last.except, except)
					found[fields[1]] = last
					continue
				}
				found[name] = layer{number: n}
			}
		}
	}
	if len(found) < 10 {
		t.Fatalf("docs/design.md has %d packages in its layers", len(found))
	}
	return found
}

// outside reports whether a package only measures, breaks or proves the others.
func outside(name string) bool {
	return strings.HasPrefix(name, "bench") || strings.HasPrefix(name, "test/")
}

// Imports only go down. A package without a layer is an error, and so is a layer without a
// package, unless it is one that is still to come.
func TestLayers(t *testing.T) {
	table := layers(t)
	seen := map[string]bool{}
	for _, system := range systems {
		for _, p := range list(t, system) {
			name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
			if outside(name) {
				continue
			}
			if name == "" {
				name = "main.go"
			}
			own, ok := table[name]
			if !ok {
				t.Errorf("%s has no layer in docs/design.md", name)
				continue
			}
			seen[name] = true
			for _, imported := range p.Imports {
				other, ok := strings.CutPrefix(imported, module+"/")
				if !ok {
					continue
				}
				if below, ok := table[other]; !ok || below.number >= own.number || slices.Contains(own.except, other) {
					t.Errorf("%s (layer %d) imports %s (layer %d)", name, own.number, other, below.number)
				}
			}
		}
	}
	for name := range table {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil && !seen[name] {
			t.Errorf("%s is in docs/design.md, and is no package", name)
		}
	}
}

// Some packages are promised to know nothing of others, not even of libraries.
func TestWhatPackagesKnow(t *testing.T) {
	for _, p := range list(t, "linux") {
		for _, imported := range p.Imports {
			std := !strings.Contains(strings.Split(imported, "/")[0], ".") && !strings.HasPrefix(imported, module)
			switch strings.TrimPrefix(p.ImportPath, module+"/") {
			case "broadcaster":
				if !std || imported == "net" || strings.HasPrefix(imported, "net/") {
					t.Errorf("broadcaster, which knows no network and nothing else, imports %s", imported)
				}
			case "internal/access":
				if !std && imported != "golang.org/x/crypto/bcrypt" {
					t.Errorf("internal/access, which knows no streams, imports %s", imported)
				}
			case "internal/protocol":
				if !std || imported == "net/http" {
					t.Errorf("internal/protocol imports %s", imported)
				}
			}
		}
	}
}

// No package is so large that it holds several trades.
func TestNoPackageIsTooLarge(t *testing.T) {
	lines, total := map[string]int{}, 0
	source(t, func(name string, text []byte) {
		n := bytes.Count(text, []byte("\n"))
		lines[filepath.Dir(name)] += n
		total += n
	})
	largest := ""
	for folder, n := range lines {
		if n > lines[largest] {
			largest = folder
		}
		if share := float64(n) / float64(total); share > largestShare {
			t.Errorf("%s has %d of %d lines, %.1f %%, want at most %.0f %%", folder, n, total, 100*share, 100*largestShare)
		}
	}
	t.Logf("the largest package is %s: %d of %d lines, %.1f %%", largest, lines[largest], total, 100*float64(lines[largest])/float64(total))
}

// source calls f with each tracked or new file of Go that is no test, and its content.
func source(t *testing.T, f func(name string, text []byte)) {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.go")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		f(name, text)
		n++
	}
	if n < 50 {
		t.Fatalf("only %d files found", n)
	}
}

// Functions, parameter lists and lines stay short enough to be read at once.
func TestSizes(t *testing.T) {
	source(t, func(name string, text []byte) {
		for i, line := range bytes.Split(text, []byte("\n")) {
			tabs := bytes.Count(line, []byte("\t"))
			if n := len([]rune(string(line))) + tabs*(tabColumns-1); n > maxColumns {
				t.Errorf("%s:%d: %d columns", name, i+1, n)
			}
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			signature, body := (*ast.FuncType)(nil), (*ast.BlockStmt)(nil)
			switch n := n.(type) {
			case *ast.FuncDecl:
				signature, body = n.Type, n.Body
			case *ast.FuncLit:
				signature, body = n.Type, n.Body
			default:
				return true
			}
			if n := signature.Params.NumFields(); n > maxParameters {
				t.Errorf("%v: %d parameters", fset.Position(signature.Pos()), n)
			}
			if body != nil {
				first, last := fset.Position(signature.Pos()), fset.Position(body.End())
				if n := last.Line - first.Line + 1; n > maxFunctionLines {
					t.Errorf("%v: %d lines", first, n)
				}
			}
			return true
		})
	})
}
