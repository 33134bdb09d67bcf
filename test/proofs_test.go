package test_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// proven is what there is to show a case by: Go functions as folder.Name, files
// of test/cases as cases/name.
type proven struct {
	byCase map[string][]string // by the case's number, sorted
	all    map[string]bool
}

// proofs finds them in the whole tree.
func proofs(t *testing.T) proven {
	t.Helper()
	p := proven{byCase: map[string][]string{}, all: map[string]bool{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go") && filepath.Dir(path) != filepath.Join(root, "test"): // here they are about tests
			return p.addGo(path)
		case filepath.Dir(path) == filepath.Join(root, "test", "cases") && strings.HasSuffix(path, ".txtar"):
			p.addFile(strings.TrimSuffix(d.Name(), ".txtar"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.all) < 100 {
		t.Fatalf("only %d tests found: the search is broken", len(p.all))
	}
	for number, names := range p.byCase {
		slices.SortFunc(names, func(a, b string) int { return strings.Compare(order(a), order(b)) })
		p.byCase[number] = slices.Compact(names)
	}
	return p
}

// order puts files behind functions.
func order(name string) string {
	if strings.HasPrefix(name, "cases/") {
		return "\xff" + name
	}
	return name
}

func (p proven) addFile(name string) {
	number, _, _ := strings.Cut(name, "-")
	p.byCase[number] = append(p.byCase[number], "cases/"+name)
	p.all["cases/"+name] = true
}

func (p proven) addGo(path string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	folder, err := filepath.Rel(root, filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, declared := range file.Decls {
		f, ok := declared.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !isTest.MatchString(f.Name.Name) {
			continue
		}
		name := filepath.ToSlash(folder) + "." + f.Name.Name
		p.all[name] = true
		for _, number := range numbers(f, file.Comments) {
			p.byCase[number] = append(p.byCase[number], name)
		}
	}
	return nil
}

var (
	isTest   = regexp.MustCompile(`^(Test|Fuzz)[^a-z]`)
	inName   = regexp.MustCompile(`T\d+`)
	numbered = regexp.MustCompile(`^(?:Test|Fuzz)(?:T\d+_)+`)
	subtest  = regexp.MustCompile(`^T\d+ `)
	comment  = regexp.MustCompile(`^// T\d+(?:, T\d+)*$`)
)

// numbers are the cases that a test function says it shows: in its name, at the
// beginning of a name of a subtest, or as a comment of its own.
func numbers(f *ast.FuncDecl, comments []*ast.CommentGroup) []string {
	found := inName.FindAllString(numbered.FindString(f.Name.Name), -1)
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(lit.Value); err == nil && subtest.MatchString(text) {
			found = append(found, strings.TrimSpace(subtest.FindString(text)))
		}
		return true
	})
	for _, group := range comments {
		if group.Pos() < f.Pos() || group.End() > f.End() {
			continue
		}
		for _, c := range group.List {
			if comment.MatchString(c.Text) {
				found = append(found, inName.FindAllString(c.Text, -1)...)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestNumbersOfATestAreFound(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", `package x

// T9
func TestT1_T2_Name(t *testing.T) {
	run("T3 a subtest", "not T4 in the middle")
	x() // T5, T6
	// T7 is talked about only
}

func TestPlain(t *testing.T) {}
`, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"T1", "T2", "T3", "T5", "T6"}, nil} {
		f, ok := file.Decls[i].(*ast.FuncDecl)
		if !ok {
			t.Fatalf("declaration %d is no function", i)
		}
		if got := numbers(f, file.Comments); !slices.Equal(got, want) {
			t.Errorf("%s shows %v, want %v", f.Name.Name, got, want)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
