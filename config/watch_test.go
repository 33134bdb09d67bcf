package config_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sealcar/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched watches a file and gives its content at each call of changed.
func watched(t *testing.T, path string) <-chan string {
	t.Helper()
	w, err := config.NewWatcher(path)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	contents := make(chan string, 16)
	ended := make(chan error, 1)
	go func() {
		ended <- w.Watch(ctx, func() {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("called while the file cannot be read: %v", err)
			}
			select {
			case contents <- string(text):
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Watch ended with %v", err)
		}
	})
	return contents
}

// next is the content at the next call, but for one that found a file between its
// truncation and its write.
func next(contents <-chan string, patience time.Duration) (content string, called bool) {
	late := time.After(patience)
	for {
		select {
		case content := <-contents:
			if content != "" {
				return content, true
			}
		case <-late:
			return "", false
		}
	}
}

func expect(t *testing.T, contents <-chan string, want string) {
	t.Helper()
	got, called := next(contents, 30*time.Second)
	if !called {
		t.Fatalf("not called for %q", want)
	}
	if got != want {
		t.Errorf("called with content %q, want %q", got, want)
	}
}

// expectNone waits several times as long as a file is left to settle. On a slow
// machine it may see nothing where there would be something, never the reverse.
func expectNone(t *testing.T, contents <-chan string) {
	t.Helper()
	if got, called := next(contents, 500*time.Millisecond); called {
		t.Errorf("called with content %q", got)
	}
}

func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	writeFile(t, path+".new", text)
	must(t, os.Rename(path+".new", path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchSeesWritesRenamesAndReturns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sealcar.yaml")
	contents := watched(t, path)

	writeFile(t, path, "written")
	expect(t, contents, "written")

	replaceFile(t, path, "renamed")
	expect(t, contents, "renamed")

	must(t, os.Remove(path))
	writeFile(t, path, "back again")
	expect(t, contents, "back again")
}

// What cannot be read any more is for Load to complain about.
func TestT61_WatchTellsOfAFileThatEverybodyMayChange(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sealcar.yaml")
	replaceFile(t, path, "found")
	contents := watched(t, path)
	writeFile(t, path+".new", "loose")
	must(t, os.Chmod(path+".new", 0o666))
	must(t, os.Rename(path+".new", path))
	expect(t, contents, "loose")
}

func TestWatchIsSilentWithoutAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sealcar.yaml")
	replaceFile(t, path, "found")
	contents := watched(t, path)
	for n := range 10 {
		replaceFile(t, filepath.Join(dir, "other.yaml"), strings.Repeat("x", n))
		if got, called := next(contents, 50*time.Millisecond); called {
			t.Errorf("called with content %q, which was there before", got)
		}
	}
	replaceFile(t, path, "one")
	expect(t, contents, "one")

	replaceFile(t, path, "one")
	must(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	expectNone(t, contents)
	must(t, os.Remove(path))
	expectNone(t, contents)
	replaceFile(t, path, "two")
	expect(t, contents, "two")
}

// As the kubelet does it: sealcar.yaml -> ..data/sealcar.yaml, and ..data is a
// link that is replaced by a rename.
func TestWatchFollowsConfigMapSwaps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sealcar.yaml")
	swap := func(version, content string) {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		writeFile(t, filepath.Join(dir, version, "sealcar.yaml"), content)
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		old, _ := os.Readlink(filepath.Join(dir, "..data"))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if old != "" {
			must(t, os.RemoveAll(filepath.Join(dir, old)))
		}
	}
	swap("..v1", "v1")
	must(t, os.Symlink(filepath.Join("..data", "sealcar.yaml"), path))
	contents := watched(t, path)
	swap("..v2", "v2")
	expect(t, contents, "v2")
	swap("..v3", "v3")
	expect(t, contents, "v3")
}

func TestWatchFollowsALinkToAnotherDirectory(t *testing.T) {
	t.Parallel()
	dir, a, b := t.TempDir(), t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "sealcar.yaml")
	fileA, fileB := filepath.Join(a, "a.yaml"), filepath.Join(b, "b.yaml")
	writeFile(t, fileA, "a1")
	must(t, os.Symlink(fileA, path))
	contents := watched(t, path)

	writeFile(t, fileA, "a2")
	expect(t, contents, "a2")

	writeFile(t, fileB, "b1")
	must(t, os.Symlink(fileB, path+".new"))
	must(t, os.Rename(path+".new", path))
	expect(t, contents, "b1")

	writeFile(t, fileB, "b2")
	expect(t, contents, "b2")
}

func TestWatchNeedsADirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "sealcar.yaml")
	if _, err := config.NewWatcher(path); err == nil {
		t.Error("no error")
	}
}

func TestWatchSeesAChangeMadeBeforeItBegan(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sealcar.yaml")
	writeFile(t, path, "loaded")
	w, err := config.NewWatcher(path)
	must(t, err)
	replaceFile(t, path, "changed during the start")
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	called := false
	must(t, w.Watch(ctx, func() {
		called = true
		stop()
	}))
	if !called {
		t.Error("the change was lost")
	}
}
