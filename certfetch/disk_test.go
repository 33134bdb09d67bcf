package certfetch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
)

// onDisk is a rig whose cache has a directory.
func onDisk(t *testing.T) *rig {
	t.Helper()
	return newRig(t, func(c *certfetch.CacheConfig) { c.Dir = filepath.Join(t.TempDir(), "state", "certificates") })
}

// file gives the path of the only entry.
func (b *rig) file(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.config.Dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %q, %v; want one", files, err)
	}
	return files[0]
}

func TestDiskSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf, b.pki.sub.cert)
		b.want(t, "m", leaf, 1)
		for path, want := range map[string]fs.FileMode{b.config.Dir: 0o700, b.file(t): 0o600} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v; want mode %o", path, info.Mode(), err, want)
			}
		}
		time.Sleep(time.Minute)
		b.Cache = b.open(t)
		b.want(t, "m", leaf, 1)
		if s := b.State(); !s[0].Fetched.Equal(time.Now().Add(-time.Minute)) {
			t.Errorf("fetched %v, a minute ago was wanted", s[0].Fetched)
		}
		if len(b.faults) != 0 {
			t.Errorf("reported %v", b.faults)
		}
	})
}

func TestDiskServesOnThroughAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		time.Sleep(2 * time.Hour)
		b.source.fail(http.StatusServiceUnavailable)
		b.Cache = b.open(t)
		b.renews(t, "m", leaf, leaf, 2)
		time.Sleep(60 * 24 * time.Hour)
		b.Cache = b.open(t)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
	})
}

func TestDiskIsSharedByTwoProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		other := b.open(t)
		old, renewed := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(old)
		b.want(t, "m", old, 1)
		time.Sleep(time.Hour)
		b.source.give(renewed)
		for range 2 { // the first time it reads what is on disk, and finds that too old
			if _, err := get(other, "m"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		b.source.fail(http.StatusServiceUnavailable)
		b.renews(t, "m", old, renewed, 2) // the other one's renewal serves here too
	})
}

func TestDiskOlderThanMemoryIsNotTakenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		old, renewed := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(old)
		b.want(t, "m", old, 1)
		text, err := os.ReadFile(b.file(t))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		b.source.give(renewed)
		b.renews(t, "m", old, renewed, 2)
		write(t, b.file(t), string(text)) // as if the renewal could not be written
		time.Sleep(time.Hour)
		b.source.fail(http.StatusServiceUnavailable)
		b.renews(t, "m", renewed, renewed, 3)
	})
}

func TestDiskKeepsScopesApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		b.config.Scope = "ark.example.net"
		b.Cache = b.open(t)
		b.want(t, "m", leaf, 2)
		b.config.Scope = "ark.example"
		b.Cache = b.open(t)
		b.want(t, "m", leaf, 2)
		if len(b.faults) != 0 {
			t.Errorf("reported %v", b.faults)
		}
	})
}

func TestT19_BadCacheFileIsIgnoredAndReplaced(t *testing.T) {
	t.Parallel()
	spoil := func(change func(path string, text []byte) error) func(*testing.T, *rig) {
		return func(t *testing.T, b *rig) {
			t.Helper()
			text, err := os.ReadFile(b.file(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := change(b.file(t), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	rewrite := func(change func(text []byte) []byte) func(*testing.T, *rig) {
		return spoil(func(path string, text []byte) error { return os.WriteFile(path, change(text), 0o600) })
	}
	member := func(name string, value any) func(*testing.T, *rig) {
		return rewrite(func(text []byte) []byte {
			var doc map[string]any
			if json.Unmarshal(text, &doc) != nil {
				return nil
			}
			doc[name] = value
			out, _ := json.Marshal(doc)
			return out
		})
	}
	tests := []struct {
		name  string
		spoil func(*testing.T, *rig)
		fault string
	}{
		{"empty", rewrite(func([]byte) []byte { return nil }), "unexpected end"},
		{"corrupt", rewrite(func(text []byte) []byte { return bytes.Replace(text, []byte("BEGIN"), []byte("BEGUN"), 1) }), "no PEM certificate"},
		{"a byte of the certificate changed", rewrite(flipInChain), "ignoring what is kept"},
		{"half-written", rewrite(func(text []byte) []byte { return text[:len(text)/2] }), "unexpected end"},
		{"huge", rewrite(func(text []byte) []byte { return append(text, bytes.Repeat([]byte(" "), 3<<20)...) }), "over"},
		{"of another model", member("model", "other"), "another certificate's file"},
		{"of another scope", member("scope", "other"), "another certificate's file"},
		{"of another mode", member("aicc", true), "another certificate's file"},
		{"mode 0666", spoil(func(path string, _ []byte) error { return os.Chmod(path, 0o666) }), "mode 0666"},
		{"mode 0640", spoil(func(path string, _ []byte) error { return os.Chmod(path, 0o640) }), "mode 0640"},
		{"symlink", spoil(func(path string, text []byte) error {
			target := filepath.Join(filepath.Dir(path), "target")
			if err := os.WriteFile(target, text, 0o600); err != nil {
				return err
			}
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("target", path)
		}), "not a regular file"},
		{"directory", spoil(func(path string, _ []byte) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		}), "not a regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := onDisk(t)
				first, second := b.pki.leaf(t), b.pki.leaf(t)
				b.source.give(first)
				b.want(t, "m", first, 1)
				tt.spoil(t, b)
				b.source.give(second)
				b.Cache = b.open(t)
				b.want(t, "m", second, 2)
				if len(b.faults) == 0 {
					t.Fatal("nothing was reported")
				}
				wantFault(t, b.faults[0], tt.fault)
				wantFault(t, b.faults[0], `of model "m"`)
				if tt.name == "directory" {
					return // it cannot be replaced, which is reported and costs no request
				}
				b.faults = nil
				b.Cache = b.open(t)
				b.want(t, "m", second, 2)
				if len(b.faults) != 0 {
					t.Errorf("after the mend: %v", b.faults)
				}
			})
		})
	}
}

// flipInChain changes one character in the middle of the PEM text.
func flipInChain(text []byte) []byte {
	i := bytes.Index(text, []byte("BEGIN CERTIFICATE")) + 400
	text[i] = map[bool]byte{true: 'B', false: 'A'}[text[i] == 'A']
	return text
}

func TestT19_DiskIsVerifiedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		leaf, next := b.pki.leaf(t), newPKI(t, time.Now())
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		// The operator trusts other roots now.
		b.config.Verifier = &certfetch.Verifier{Roots: next.roots(t)}
		b.source.give(next.leaf(t))
		c := b.open(t)
		got, err := get(c, "m")
		if err != nil || got.Leaf.Equal(leaf) {
			t.Errorf("%v; the old certificate was believed: %t", err, err == nil)
		}
		wantFault(t, b.faults[0], "unknown authority")
	})
}

func TestT19_ClockSetBackSinceTheFileWasWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.want(t, "m", first, 1)
		back := func() time.Time { return time.Now().Add(-24 * time.Hour) }
		b.config.Now, b.config.Verifier.Now = back, back
		b.source.fail(http.StatusServiceUnavailable)
		b.Cache = b.open(t)
		b.renews(t, "m", first, first, 2) // its age is unknown, so the source was asked; it is in force, so it serves
		b.source.give(second)
		b.Cache = b.open(t)
		b.renews(t, "m", first, second, 3)
	})
}

func TestT19_BadDirectoryIsAnError(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	path := func(name string) string { return filepath.Join(parent, name) }
	for _, mode := range []fs.FileMode{0o755, 0o777, 0o710} {
		dir := path(fmt.Sprintf("%o", mode))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil { // past the umask
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path("good"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("good", path("link")); err != nil {
		t.Fatal(err)
	}
	write(t, path("file"), "")
	for name, fault := range map[string]string{
		"good": "", "new/below": "", "755": "mode 0755", "777": "mode 0777", "710": "mode 0710",
		"link": "symbolic link", "file": "not a directory", "file/below": "not a directory",
	} {
		c, err := certfetch.NewCache(certfetch.CacheConfig{Source: new(script), Verifier: new(certfetch.Verifier), Dir: path(name)})
		wantFault(t, err, fault)
		if err == nil {
			c.Close()
		} else if !strings.Contains(err.Error(), path(name)) {
			t.Errorf("error %q does not name the directory", err)
		}
	}
}

func TestDiskThatCannotBeWrittenCostsNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		if err := os.RemoveAll(b.config.Dir); err != nil {
			t.Fatal(err)
		}
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		if len(b.faults) != 1 || !strings.Contains(b.faults[0].Error(), "keeping the certificate") {
			t.Errorf("reported %v", b.faults)
		}
	})
}

func TestDiskKeepsNoMoreFilesThanEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Dir, c.Size = filepath.Join(t.TempDir(), "c"), 2 })
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		write(t, filepath.Join(b.config.Dir, "half.tmp"), "left by a crash")
		write(t, filepath.Join(b.config.Dir, "notes.txt"), "not ours")
		for i, model := range []string{"a", "b", "c"} {
			age(t, b.config.Dir)
			b.want(t, model, leaf, int32(i+1))
		}
		left, err := filepath.Glob(filepath.Join(b.config.Dir, "*"))
		if err != nil || len(left) != 3 || len(b.faults) != 0 {
			t.Errorf("left %q, reported %v, %v; want two entries and the notes", left, b.faults, err)
		}
		b.Cache = b.open(t)
		b.want(t, "c", leaf, 3)
		b.want(t, "b", leaf, 3)
		b.want(t, "a", leaf, 4) // the oldest went
	})
}

// age makes what is in dir an hour older, so that the order of writing does not
// depend on how fine the file system's clock is.
func age(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		older := info.ModTime().Add(-time.Hour)
		if err := os.Chtimes(f, older, older); err != nil {
			t.Fatal(err)
		}
	}
}
