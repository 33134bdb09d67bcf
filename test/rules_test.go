package test_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const module = "sealcar"

// pkg is what `go list -json` says of a package, as far as a rule needs it.
type pkg struct {
	ImportPath string
	Dir        string
	Name       string
	Doc        string
	GoFiles    []string
	Imports    []string // of GoFiles; tests may import what they like
}

// room is one package or folder of the house, and whom it may import.
type room struct {
	why string   // why it exists apart
	may []string // packages of ours, without the module's name; "crypto/*" is every package below it, "*" all but tests
}

// guest is a third party's package, and who may let it in.
type guest struct {
	why string
	by  []string
}

// house is all of the rules.
type house struct {
	rooms   map[string]room   // by import path without the module's name; "." is main
	guests  map[string]guest  // by leading path
	folders map[string]string // at the top, without Go code: why they are there
}

// violations gives one line for each import that no rule allows, each package
// without an entry and each entry without a package.
func (h house) violations(pkgs []pkg) []string {
	var found []string
	seen := map[string]bool{}
	for _, p := range pkgs {
		name := roomName(p.ImportPath)
		seen[name] = true
		r, ok := h.rooms[name]
		if !ok {
			found = append(found, fmt.Sprintf("%s has no entry: say in arch_test.go why it exists and whom it may import", name))
			continue
		}
		for _, imported := range p.Imports {
			if reason := h.refuses(name, r, imported); reason != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", name, imported, reason))
			}
		}
	}
	for name := range h.rooms {
		if !seen[name] {
			found = append(found, fmt.Sprintf("%s has an entry but no package: remove the entry", name))
		}
	}
	slices.Sort(found)
	return found
}

// unused gives one line for each package that a third party is allowed in and
// that does not import it.
func (h house) unused(pkgs []pkg) []string {
	var found []string
	for prefix, g := range h.guests {
		for _, by := range g.by {
			used := slices.ContainsFunc(pkgs, func(p pkg) bool {
				return roomName(p.ImportPath) == by && slices.ContainsFunc(p.Imports, func(imported string) bool {
					return imported == prefix || strings.HasPrefix(imported, prefix+"/")
				})
			})
			if !used {
				found = append(found, fmt.Sprintf("%s may import %s and does not: remove it from the entry", by, prefix))
			}
		}
	}
	slices.Sort(found)
	return found
}

// refuses says why the package named name must not import imported; "" is leave.
func (h house) refuses(name string, r room, imported string) string {
	switch {
	case imported == module || strings.HasPrefix(imported, module+"/"):
		target := roomName(imported)
		if slices.ContainsFunc(r.may, func(pattern string) bool { return matches(pattern, target) }) {
			return ""
		}
		return fmt.Sprintf("it may import only %v of ours; it exists apart so that %s", r.may, r.why)
	case !strings.Contains(strings.Split(imported, "/")[0], "."):
		return "" // the standard library
	}
	for prefix, g := range h.guests {
		if imported != prefix && !strings.HasPrefix(imported, prefix+"/") {
			continue
		}
		if slices.Contains(g.by, name) {
			return ""
		}
		return fmt.Sprintf("only %v may: %s", g.by, g.why)
	}
	return "a third party without an entry: say in arch_test.go who needs it and why"
}

func roomName(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

func matches(pattern, name string) bool {
	if pattern == "*" {
		return name != "." && name != "test" && !strings.HasPrefix(name, "test/")
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// undocumented says what is wrong with p's package comment; "" is nothing. The
// place is doc.go, for main it is main.go, and a package of one file needs no
// other.
func undocumented(p pkg) string {
	place := "doc.go"
	switch {
	case p.Name == "main":
		place = "main.go"
	case len(p.GoFiles) == 1:
		place = p.GoFiles[0]
	}
	switch {
	case !slices.Contains(p.GoFiles, place):
		return fmt.Sprintf("%s has no %s", p.ImportPath, place)
	case p.Doc == "":
		return fmt.Sprintf("%s has no package comment", p.ImportPath)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, place), nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		return fmt.Sprintf("%s: %v", p.ImportPath, err)
	}
	if file.Doc == nil {
		return fmt.Sprintf("%s has its package comment elsewhere than in %s", p.ImportPath, place)
	}
	return ""
}

// initFunctions gives the position of each init function in the source.
func initFunctions(filename string, source any) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, filename, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", filename, err)
	}
	var found []string
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found = append(found, fset.Position(f.Pos()).String())
		}
	}
	return found, nil
}

// strangers gives the folders at the top of root that have no entry and hold no
// room. Folders that git ignores or that hide behind a dot are not the house's.
func (h house) strangers(root string) ([]string, error) {
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		return nil, fmt.Errorf("reading what git ignores: %w", err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("reading the top of the tree: %w", err)
	}
	known := maps.Clone(h.folders)
	for name, r := range h.rooms {
		known[strings.Split(name, "/")[0]] = r.why
	}
	var found []string
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || strings.HasPrefix(name, ".") || slices.Contains(strings.Fields(string(ignored)), "/"+name+"/") {
			continue
		}
		if _, ok := known[name]; !ok {
			found = append(found, name)
		}
	}
	return found, nil
}
