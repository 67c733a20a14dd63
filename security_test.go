package hub_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var proof = regexp.MustCompile("`([a-z/]+): (Test[A-Za-z0-9]+)(?:/([A-Za-z0-9]+))?`")

// TestProofs: the tests that SECURITY.md names are there.
func TestProofs(t *testing.T) {
	doc, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool) // "package: Test", and "package: Test/Part"
	read := make(map[string]bool)
	all := proof.FindAllStringSubmatch(string(doc), -1)
	for _, m := range all {
		pkg, name, part := m[1], m[2], m[3]
		if !read[pkg] {
			read[pkg] = true
			readTests(t, pkg, known)
		}
		if !known[pkg+": "+name] {
			t.Errorf("SECURITY.md names %s of %s, which is not there", name, pkg)
		}
		if part != "" && !known[pkg+": "+name+"/"+part] {
			t.Errorf("SECURITY.md names the part %s of %s of %s, which is not there", part, name, pkg)
		}
	}
	if len(all) < 30 {
		t.Errorf("SECURITY.md names %d tests", len(all))
	}
}

// readTests notes the tests of a package, and the texts in them and in the functions of
// the same file that they call: the names of their parts are among these.
func readTests(t *testing.T, pkg string, known map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		funcs := make(map[string]*ast.FuncDecl)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				funcs[d.Name.Name] = d
			}
		}
		for name, d := range funcs {
			if !strings.HasPrefix(name, "Test") {
				continue
			}
			known[pkg+": "+name] = true
			seen := make(map[*ast.FuncDecl]bool)
			var walk func(*ast.FuncDecl)
			walk = func(d *ast.FuncDecl) {
				if d == nil || seen[d] {
					return
				}
				seen[d] = true
				ast.Inspect(d, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.Ident:
						walk(funcs[n.Name])
					case *ast.BasicLit:
						if n.Kind == token.STRING {
							known[pkg+": "+name+"/"+strings.Trim(n.Value, `"`)] = true
						}
					}
					return true
				})
			}
			walk(d)
		}
	}
}
