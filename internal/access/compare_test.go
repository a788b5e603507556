package access

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The result of a comparison doesn't show how long it took, so this test reads the source:
// secrets may only be compared by crypto/subtle and bcrypt. An == may still check whether a
// secret is empty.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	variable := []string{"Equal", "EqualFold", "Compare", "DeepEqual", "HasPrefix", "HasSuffix", "Contains"} // in their time
	var files []string
	for _, folder := range []string{".", "../../server", "../../hub"} { // the packages that handle secrets
		found, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no source in %s: %v", folder, err)
		}
		files = append(files, found...)
	}
	plain, constant := 0, 0 // comparisons
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				switch called := nameOf(n.Fun); {
				case called == "ConstantTimeCompare" || called == "CompareHashAndPassword" || called == "equal":
					constant++
				case slices.Contains(variable, called) && slices.ContainsFunc(n.Args, isSecret):
					t.Errorf("%v: %s of a secret", fset.Position(n.Pos()), called)
				}
			case *ast.BinaryExpr:
				if n.Op != token.EQL && n.Op != token.NEQ || isEmpty(n.X) || isEmpty(n.Y) {
					return true
				}
				plain++
				if isSecret(n.X) || isSecret(n.Y) {
					t.Errorf("%v: a secret is compared by %v", fset.Position(n.Pos()), n.Op)
				}
			case *ast.FuncDecl:
				if n.Name.Name == "equal" && !calls(n, "ConstantTimeCompare") {
					t.Errorf("%v: equal is not by crypto/subtle", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	t.Attr("promise", "secrets are compared in constant time")
	t.Attr("figure", fmt.Sprintf("%d comparisons read, %d of them in constant time", plain+constant, constant))
	if plain < 50 || constant < 4 {
		t.Errorf("only %d comparisons found, and %d in constant time", plain, constant)
	}
}

// isSecret reports whether an expression is a secret, or something from a request that is
// compared with one.
func isSecret(e ast.Expr) bool {
	secrets := []string{
		"token", "Token", "password", "value", "Value", "seal", "sealed", "sealedToken", "tokenCookie", "cookieValue", "FormValue", "PostFormValue",
	}
	switch e := e.(type) {
	case *ast.CallExpr:
		return slices.Contains(secrets, nameOf(e.Fun)) || slices.ContainsFunc(e.Args, isSecret) && nameOf(e.Fun) != "equal"
	case *ast.ParenExpr:
		return isSecret(e.X)
	}
	return slices.Contains(secrets, nameOf(e))
}

func isEmpty(e ast.Expr) bool {
	l, ok := e.(*ast.BasicLit)
	return ok && l.Value == `""` || nameOf(e) == "nil"
}

// nameOf returns the last part of a name; empty if the expression isn't a name.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// calls reports whether a function of that name is called in n.
func calls(n ast.Node, name string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		found = found || ok && nameOf(call.Fun) == name
		return true
	})
	return found
}
