package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declarations returns what each package declares, by the package's name: pkg.Name, and
// pkg.Type.Member for methods and fields. cmd is the folder of the package main.
func declarations(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	source(t, func(name string, text []byte) {
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := path.Base(filepath.ToSlash(filepath.Dir(name)))
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				all[pkg+"."+receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					declare(all, pkg, s)
				}
			}
		}
	})
	return all
}

// receiver returns the name of a method's type and a dot; nothing for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	return of.(*ast.Ident).Name + "."
}

// declare adds what a specification declares.
func declare(all map[string]bool, pkg string, s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			all[pkg+"."+id.Name] = true
		}
	case *ast.TypeSpec:
		all[pkg+"."+s.Name.Name] = true
		ast.Inspect(s.Type, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				for _, id := range f.Names {
					all[pkg+"."+s.Name.Name+"."+id.Name] = true
				}
			}
			return true
		})
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// What docs/design.md names in code exists: packages' names, files and folders.
func TestNamesInDesignExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/design.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := declarations(t)
	packages := map[string]bool{}
	for name := range declared {
		pkg, _, _ := strings.Cut(name, ".")
		packages[pkg] = true
	}
	names, files := 0, 0
	for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		pkg, rest, _ := strings.Cut(name, ".")
		switch {
		case strings.HasPrefix(name, "/"): // a URL's path
		case strings.Contains(name, "/") && !strings.ContainsAny(name, " .("),
			strings.HasSuffix(name, ".js"), strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "/"):
			files++
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("`%s` is no file or folder", name)
			}
		case packages[pkg] && rest != "":
			names++
			if !declared[name] {
				t.Errorf("`%s` is not declared", name)
			}
		}
	}
	if names < 60 || files < 20 {
		t.Errorf("only %d names and %d files found", names, files)
	}
}
