package test_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryErrorCodeIsDocumented holds docs/errors.md against the codes that the
// source gives to apierror.Error, both ways.
func TestEveryErrorCodeIsDocumented(t *testing.T) {
	t.Parallel()
	inSource := codesInSource(t)
	if len(inSource) < 20 {
		t.Fatalf("only %d codes found in the source: the search is broken", len(inSource))
	}
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, code := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[1], -1) {
			documented[code[1]] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(inSource)) {
		if !documented[code] {
			t.Errorf("%s gives the code %q, which docs/errors.md does not have", inSource[code], code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(documented)) {
		if inSource[code] == "" {
			t.Errorf("docs/errors.md has the code %q, which nothing gives", code)
		}
	}
}

// codesInSource finds the codes and a file that gives each: literals given to a
// member Code, and the first or second argument of the functions that make an
// apierror.Error.
func codesInSource(t *testing.T) map[string]string {
	t.Helper()
	makers := map[string]int{"BadRequest": 0, "BadReply": 0, "BrokenReply": 0, "refusal": 0, "From": 1, "imageFault": 1}
	codes := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "test") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		add := func(e ast.Expr) {
			if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if code, err := strconv.Unquote(lit.Value); err == nil && regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code) {
					codes[code] = path
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "Code" && i < len(n.Rhs) {
						add(n.Rhs[i])
					}
				}
			case *ast.CallExpr:
				if i, ok := makers[calledName(n)]; ok && i < len(n.Args) {
					add(n.Args[i])
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func calledName(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	default:
		return ""
	}
}
