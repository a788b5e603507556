//go:build linux

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A checkedPackage is a package's source with its types.
type checkedPackage struct {
	pkg   *types.Package
	info  types.Info
	files []*ast.File
}

// checkPackages checks the packages in some folders.
func checkPackages(t *testing.T, folders ...string) (checked []checkedPackage) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles,DepOnly"}, folders...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	type listed struct {
		Dir, ImportPath, Export string
		GoFiles                 []string
		DepOnly                 bool
	}
	exports := map[string]string{}
	var wanted []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var one listed
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if exports[one.ImportPath] = one.Export; !one.DepOnly {
			wanted = append(wanted, one)
		}
	}
	fset := token.NewFileSet()
	from := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, one := range wanted {
		c := checkedPackage{info: types.Info{
			Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{},
		}}
		for _, name := range one.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(one.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			c.files = append(c.files, file)
		}
		config := types.Config{Importer: from}
		if c.pkg, err = config.Check(one.ImportPath, fset, c.files, &c.info); err != nil {
			t.Fatal(err)
		}
		checked = append(checked, c)
	}
	return checked
}

// visit calls f for each node, with the name of the function that it is in. f reports whether to visit the
// node's parts.
func (c checkedPackage) visit(f func(function string, n ast.Node) bool) {
	for _, file := range c.files {
		for _, d := range file.Decls {
			name := ""
			if function, ok := d.(*ast.FuncDecl); ok {
				name = strings.ReplaceAll(c.info.Defs[function.Name].(*types.Func).FullName(), "wsrun/", "")
			}
			ast.Inspect(d, func(n ast.Node) bool { return f(name, n) })
		}
	}
}

// implementers returns the types that implement an interface of the package, as %T prints them, without
// pointers.
func (c checkedPackage) implementers(name string) (all []string) {
	want := c.pkg.Scope().Lookup(name).Type().Underlying().(*types.Interface)
	for _, object := range c.info.Defs {
		of, ok := object.(*types.TypeName)
		if ok && !types.IsInterface(of.Type()) && types.Implements(types.NewPointer(of.Type()), want) {
			all = append(all, c.pkg.Name()+"."+of.Name())
		}
	}
	return all
}

// constants returns how many constants of a type the package has.
func (c checkedPackage) constants(of string) (n int) {
	for _, object := range c.info.Defs {
		if is, ok := object.(*types.Const); ok && is.Type() == c.pkg.Scope().Lookup(of).Type() {
			n++
		}
	}
	return n
}

// texts returns all constant texts in the package.
func (c checkedPackage) texts() map[string]bool {
	all := map[string]bool{}
	for _, of := range c.info.Types {
		if of.Value != nil && of.Value.Kind() == constant.String {
			all[constant.StringVal(of.Value)] = true
		}
	}
	return all
}

// registrations returns the patterns that are registered with an [http.ServeMux]: constants, or the expressions
// of those that aren't.
func (c checkedPackage) registrations() (constants, others []string) {
	c.visit(func(function string, n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		selected, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		used := c.info.Uses[selected.Sel]
		if used == nil || used.Pkg() == nil || used.Pkg().Path() != "net/http" || used.Name() != "Handle" && used.Name() != "HandleFunc" {
			return true
		}
		if pattern := c.info.Types[call.Args[0]].Value; pattern != nil {
			constants = append(constants, constant.StringVal(pattern))
		} else {
			others = append(others, function+": "+types.ExprString(call.Args[0]))
		}
		return true
	})
	return constants, others
}

// queryParts are what package net/url or net/http has to read a query with.
var queryParts = map[string]bool{
	"Query": true, "RawQuery": true, "ParseQuery": true, "RequestURI": true, "FormValue": true, "PostFormValue": true, "Form": true,
	"PostForm": true, "ParseForm": true, "ParseMultipartForm": true, "FormFile": true, "MultipartReader": true,
}

// queryReaders returns the functions that may read a query otherwise than by parseQuery.
func (c checkedPackage) queryReaders() map[string]bool {
	all := map[string]bool{}
	c.visit(func(function string, n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && types.ExprString(call.Fun) == "parseQuery" {
			return false
		}
		name, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		used := c.info.Uses[name]
		if used == nil || used.Pkg() == nil || !queryParts[used.Name()] {
			return true
		}
		if from := used.Pkg().Path(); from == "net/url" || from == "net/http" {
			all[function] = true
		}
		return true
	})
	return all
}
