package test_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const casesPage = root + "/docs/cases.md"

var update = flag.Bool("update", false, "write the names of tests into docs/cases.md")

// TestEveryCaseIsShown holds docs/cases.md against the tests. With -update it
// fills in their names.
func TestEveryCaseIsShown(t *testing.T) {
	t.Parallel()
	page := read(t, casesPage)
	known := proofs(t)
	fresh, problems := fillIn(page, known.byCase)
	for _, problem := range problems {
		t.Error(problem)
	}
	if fresh == page {
		return
	}
	if !*update {
		t.Fatal("docs/cases.md does not name the tests as they are: run `make docs`")
	}
	if err := os.WriteFile(casesPage, []byte(fresh), 0o644); err != nil {
		t.Fatal(err)
	}
}

// row is a case's line: number, what is tried, verdict, names.
var row = regexp.MustCompile(`(?m)^\| (T\d+) \|([^|]*)\|([^|]*)\|[^|\n]*\|$`)

// fillIn writes the names of the tests into the page, and says which cases have
// none and which tests no case.
func fillIn(page string, byCase map[string][]string) (filled string, problems []string) {
	seen := map[string]bool{}
	filled = row.ReplaceAllStringFunc(page, func(line string) string {
		cells := row.FindStringSubmatch(line)
		number, verdict := cells[1], strings.TrimSpace(cells[3])
		if seen[number] {
			problems = append(problems, number+" has two lines in docs/cases.md")
		}
		seen[number] = true
		excused := strings.HasPrefix(verdict, "Not applicable, because ")
		if len(byCase[number]) == 0 && !excused {
			problems = append(problems, number+" has no test, and its verdict does not begin with \"Not applicable, because \"")
		}
		if len(byCase[number]) > 0 && excused {
			problems = append(problems, fmt.Sprintf("%s is not applicable, its verdict says, and %v try it", number, byCase[number]))
		}
		return fmt.Sprintf("| %s |%s|%s| %s |", number, cells[2], cells[3], names(byCase[number]))
	})
	for _, number := range slices.Sorted(maps.Keys(byCase)) {
		if !seen[number] {
			problems = append(problems, fmt.Sprintf("docs/cases.md has no line for %s, which %v is named after", number, byCase[number]))
		}
	}
	return filled, problems
}

// names is a cell of the table: functions first, then files, those of one case
// under its number.
func names(tests []string) string {
	var shown, files []string
	for _, name := range tests {
		if file, ok := strings.CutPrefix(name, "cases/"); ok {
			files = append(files, file)
		} else {
			shown = append(shown, "`"+name+"`")
		}
	}
	if len(files) > 0 {
		number, _, _ := strings.Cut(files[0], "-")
		for i := range files {
			files[i] = strings.TrimPrefix(files[i], number+"-")
		}
		list := strings.Join(files, ",")
		if len(files) > 1 {
			list = "{" + list + "}"
		}
		shown = append(shown, "`cases/"+number+"-"+list+"`")
	}
	return strings.Join(shown, ", ")
}

// TestSecurityNamesItsProofs wants each promise of SECURITY.md to name tests, and
// each of them to exist.
func TestSecurityNamesItsProofs(t *testing.T) {
	t.Parallel()
	for _, problem := range unproven(read(t, root+"/SECURITY.md"), proofs(t).all) {
		t.Error(problem)
	}
}

// unproven says which promises name no test, or one that does not exist.
func unproven(page string, known map[string]bool) (problems []string) {
	_, section, _ := strings.Cut(page, "## What sealcar promises\n")
	section, _, _ = strings.Cut(section, "\n## ")
	promises := strings.Split(section, "\n- **")[1:]
	if len(promises) < 5 {
		problems = append(problems, fmt.Sprintf("SECURITY.md has %d promises: the search is broken", len(promises)))
	}
	for _, promise := range promises {
		title, rest, _ := strings.Cut(promise, "**")
		_, shown, ok := strings.Cut(rest, "Shown by ")
		if !ok {
			problems = append(problems, fmt.Sprintf("the promise %q names no test", title))
			continue
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(shown, -1) {
			if !known[name[1]] {
				problems = append(problems, fmt.Sprintf("the promise %q is shown by %s, which does not exist", title, name[1]))
			}
		}
	}
	return problems
}

func TestWhatTheTableOfCasesLacksIsSeen(t *testing.T) {
	t.Parallel()
	const head = "| Case | What | Verdict | Shown by |\n|---|---|---|---|\n"
	tests := map[string]struct {
		page  string
		tests map[string][]string
		want  string // the page, or what is wrong
	}{
		"filled in": {head + "| T1 | x | y | |\n", map[string][]string{"T1": {"a.TestT1_X", "cases/T1-a"}}, head + "| T1 | x | y | `a.TestT1_X`, `cases/T1-a` |\n"},
		"two files": {head + "| T1 | x | y | old |\n", map[string][]string{"T1": {"cases/T1-a", "cases/T1-b-c"}}, head + "| T1 | x | y | `cases/T1-{a,b-c}` |\n"},
		"excused":   {head + "| T1 | x | Not applicable, because of y | |\n", nil, head + "| T1 | x | Not applicable, because of y |  |\n"},

		"a case without a test": {head + "| T1 | x | y | `a.TestT1_Gone` |\n", nil, "T1 has no test"},
		"an excuse with a test": {head + "| T1 | x | Not applicable, because of y | |\n", map[string][]string{"T1": {"a.TestT1_X"}}, "T1 is not applicable"},
		"a test without a case": {head, map[string][]string{"T9": {"a.TestT9_X"}}, "no line for T9"},
		"a case twice":          {head + "| T1 | x | y | |\n| T1 | x | y | |\n", map[string][]string{"T1": {"a.TestT1_X"}}, "two lines"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := fillIn(test.page, test.tests)
			if len(problems) > 0 {
				got = strings.Join(problems, "\n")
			}
			if got != test.want && (len(problems) == 0 || !strings.Contains(got, test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPromisesWithoutProofAreSeen(t *testing.T) {
	t.Parallel()
	page := "## What sealcar promises\n\n- **One.** x. Shown by `a.TestA`.\n- **Two.** y.\n- **Three.** z. Shown by `a.TestA` and `a.TestB`.\n- **Four.** Shown by `a.TestA`.\n- **Five.** Shown by `a.TestA`.\n\n## Else\n\n- **Six.**\n"
	got := unproven(page, map[string]bool{"a.TestA": true})
	want := []string{`the promise "Two." names no test`, `the promise "Three." is shown by a.TestB, which does not exist`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
