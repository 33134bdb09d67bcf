package livefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/livefile"
)

// pair reads two files that must hold the same.
type pair struct {
	a, b           string
	reads, reports int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	dir := t.TempDir()
	p := &pair{a: filepath.Join(dir, "a"), b: filepath.Join(dir, "b")}
	write(t, p.a, "1")
	write(t, p.b, "1")
	return p
}

func (p *pair) source() livefile.Source[string] {
	return livefile.Source[string]{Paths: []string{p.a, p.b}, Report: func(error) { p.reports++ }, Read: func() (string, error) {
		p.reads++
		a, errA := os.ReadFile(p.a)
		b, errB := os.ReadFile(p.b)
		if err := errors.Join(errA, errB); err != nil {
			return "", err
		}
		if string(a) != string(b) {
			return "", errors.New("they do not fit together")
		}
		return string(a), nil
	}}
}

// write renames a file into place, with a time of its own.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestAValueFollowsItsFiles(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	v, err := livefile.New(p.source())
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string, good bool, reads, reports int) {
		t.Helper()
		got, err := v.Get()
		if got != want || (err == nil) != good || p.reads != reads || p.reports != reports {
			t.Errorf("got %q, %v after %d reads and %d reports, want %q, %t after %d and %d", got, err, p.reads, p.reports, want, good, reads, reports)
		}
	}
	expect("1", true, 1, 0)
	expect("1", true, 1, 0) // unchanged
	write(t, p.a, "2")
	expect("1", false, 2, 1)
	expect("1", false, 3, 1) // told once
	write(t, p.b, "2")
	expect("2", true, 4, 1)
	if err := os.Remove(p.b); err != nil {
		t.Fatal(err)
	}
	expect("2", false, 5, 2)
	expect("2", false, 6, 2)
	write(t, p.b, "2")
	expect("2", true, 7, 2)

	then := time.Now().Add(time.Hour) // written in place, with as many bytes
	for _, path := range []string{p.a, p.b} {
		if err := os.WriteFile(path, []byte("3"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	expect("3", true, 8, 2)
}

func TestAFileThatCannotBeReadAtFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	write(t, p.a, "2")
	if _, err := livefile.New(p.source()); err == nil || !strings.Contains(err.Error(), "fit together") {
		t.Errorf("error %v", err)
	}
}
