package clients_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheTableKnowsEveryParameterOfTheSDKs: docs/residue.md is the table that
// requests are judged by. A new SDK may have parameters that it lacks.
func TestTheTableKnowsEveryParameterOfTheSDKs(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(root + "/docs/residue.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(doc), "\n## Replies\n")
	known := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		known[row[1]] = true
	}
	var places []string
	output(t, python(t, "python/parameters.py"), nil, nil, &places)
	if len(places) < 100 {
		t.Fatalf("the SDKs have only %d parameters: %q", len(places), places)
	}
	for _, place := range places {
		if !covered(known, place) {
			t.Errorf("%s is not in the table", place)
		}
	}
}

// covered tells whether a place is known, or one that holds it is known as a
// whole.
func covered(known map[string]bool, place string) bool {
	if known[place] {
		return true
	}
	for above := place; above != ""; {
		above = above[:max(0, strings.LastIndexAny(above, ".["))]
		if known[above] && !hasBelow(known, above) {
			return true
		}
	}
	return false
}

func hasBelow(known map[string]bool, place string) bool {
	for k := range known {
		if rest, ok := strings.CutPrefix(k, place); ok && rest != "" && (rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
