package mutations_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

const root = "../.."

var mutate = flag.Bool("mutate", false, "apply each mutation and run the tests that must fail")

// mutation is one file, as doc.go describes it.
type mutation struct {
	file     string // from the top of the tree
	tests    []string
	old, new []byte
}

func TestEachMutationFitsTheCode(t *testing.T) {
	t.Parallel()
	for name, m := range mutations(t) {
		if _, err := m.apply(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEachGuardIsMissed fails for each guard that can be taken out without any of
// its tests noticing.
func TestEachGuardIsMissed(t *testing.T) {
	if !*mutate {
		t.Skip("make mutate runs it")
	}
	for name, m := range mutations(t) {
		t.Run(name, func(t *testing.T) {
			text, err := m.apply()
			if err != nil {
				t.Fatal(err)
			}
			overlay := overlayOf(t, m.file, text)
			for _, test := range m.tests {
				if out, err := run(t, test); err != nil {
					t.Errorf("%s: it fails with the guard too: %v\n%s", test, err, out)
				} else if err := missed(t, overlay, test); err != nil {
					t.Errorf("%s: %v", test, err)
				}
			}
		})
	}
}

// missed is nil if the test fails, for the mutation and not for want of building
// or of time.
func missed(t *testing.T, overlay, test string) error {
	t.Helper()
	out, err := run(t, test, "-overlay="+overlay)
	return verdict(out, err)
}

// run runs one test of the tree and gives what it wrote.
func run(t *testing.T, test string, flags ...string) ([]byte, error) {
	t.Helper()
	folder, name, _ := strings.Cut(test, " ")
	pattern := "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
	args := append([]string{"test", "-vet=off", "-timeout=1m", "-run=" + pattern}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./"+folder)...)
	cmd.Dir = root
	return cmd.CombinedOutput()
}

// verdict is nil if what a test wrote without the guard shows that it failed.
func verdict(out []byte, err error) error {
	has := func(s string) bool { return bytes.Contains(out, []byte(s)) }
	switch {
	case err == nil && has("no tests to run"):
		return errors.New("there is no such test")
	case err == nil:
		return errors.New("it passes without the guard")
	case has("panic: test timed out"):
		return fmt.Errorf("it waits instead of failing: %s", out)
	case !has("--- FAIL") && !has("panic: ") && !has("fatal error: "):
		return fmt.Errorf("it does not run: %s", out)
	}
	return nil
}

// overlayOf is a file that tells the go command to read text in place of file.
func overlayOf(t *testing.T, file string, text []byte) string {
	t.Helper()
	dir := t.TempDir()
	mutated := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(mutated, text, 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// apply is the file with the guard taken out.
func (m mutation) apply() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(text, m.old); n != 1 {
		return nil, fmt.Errorf("%s has what is to be replaced %d times, want once: adapt the mutation to the code", m.file, n)
	}
	return bytes.Replace(text, m.old, m.new, 1), nil
}

func mutations(t *testing.T) map[string]mutation {
	t.Helper()
	files, err := filepath.Glob("*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no mutation is there (%v)", err)
	}
	all := map[string]mutation{}
	for _, file := range files {
		m, err := readMutation(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(file, ".txtar")] = m
	}
	return all
}

func readMutation(file string) (m mutation, err error) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return m, err
	}
	if len(archive.Files) != 3 || archive.Files[0].Name != "mutation" || archive.Files[1].Name != "old" || archive.Files[2].Name != "new" {
		return m, errors.New("its sections are not mutation, old and new")
	}
	m.old, m.new = archive.Files[1].Data, archive.Files[2].Data
	for line := range strings.Lines(string(archive.Files[0].Data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "file":
			m.file = value
		case "test":
			m.tests = append(m.tests, value)
		default:
			return m, fmt.Errorf("%q is neither file nor test", key)
		}
	}
	if m.file == "" || len(m.tests) == 0 || len(m.old) == 0 {
		return m, errors.New("it lacks a file, a test, or what to replace")
	}
	return m, nil
}

func TestWhatDoesNotFitIsSeen(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mutation{
		"gone":      {file: "test/mutations/doc.go", old: []byte("gone" + "!")},
		"ambiguous": {file: "test/mutations/doc.go", old: []byte("mutation")},
		"no file":   {file: "test/mutations/gone.go", old: []byte("x")},
	} {
		if _, err := m.apply(); err == nil {
			t.Errorf("%s: it was applied", name)
		}
	}
}

func TestOnlyAFailureIsProof(t *testing.T) {
	t.Parallel()
	failed := errors.New("exit status 1")
	for name, test := range map[string]struct {
		out   string
		err   error
		proof bool
	}{
		"a failure":   {"--- FAIL: TestX (0.00s)\nFAIL\n", failed, true},
		"a panic":     {"panic: runtime error: index out of range\n", failed, true},
		"a time-out":  {"panic: test timed out after 1m0s\n\trunning tests:\n", failed, false},
		"no building": {"./x.go:1:1: undefined: y\nFAIL\tsealcar/x [build failed]\n", failed, false},
		"a pass":      {"ok  \tsealcar/x\n", nil, false},
		"no test":     {"ok  \tsealcar/x [no tests to run]\n", nil, false},
	} {
		if err := verdict([]byte(test.out), test.err); (err == nil) != test.proof {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
