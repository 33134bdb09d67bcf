package cases_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCases(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			c, err := readCase(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.fails) > 0 {
				t.Fatal("the section fails is for testdata/broken alone")
			}
			for _, problem := range c.run(t) {
				t.Error(problem)
			}
		})
	}
}

// TestTheRunnerFailsWhereItShould runs cases that want what is not so: each must
// be told so in the words of its section fails, and in no others.
func TestTheRunnerFailsWhereItShould(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "testdata/broken/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			c, err := readCase(file)
			var problems []string
			if err != nil {
				problems = []string{err.Error()}
			} else {
				problems = c.run(t)
			}
			if len(c.fails) == 0 {
				t.Fatal("the section fails is missing")
			}
			for _, want := range c.fails {
				if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
					t.Errorf("the runner does not see %q", want)
				}
			}
			for _, problem := range problems {
				if !slices.ContainsFunc(c.fails, func(want string) bool { return strings.Contains(problem, want) }) {
					t.Errorf("the runner sees more than it should: %s", problem)
				}
			}
		})
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no case is %s (%v)", pattern, err)
	}
	return found
}
