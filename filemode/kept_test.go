package filemode_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sealcar/filemode"
)

// kept is an open directory of ours with a file f in it.
func kept(t *testing.T) (*filemode.Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kept")
	dir, err := filemode.OpenPrivateDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dir.Close)
	if err := dir.Replace("f", []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(path, "f")
}

func TestT61_AKeptFileIsForNobodyElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(path string) error
		want  string // of the error; "" = none
	}{
		"as it was written":  {func(string) error { return nil }, ""},
		"missing":            {os.Remove, "no such file"},
		"the group reads it": {func(path string) error { return os.Chmod(path, 0o640) }, "chmod 0600"},
		"everybody does":     {func(path string) error { return os.Chmod(path, 0o604) }, "0604"},
		"somebody else's":    {func(path string) error { return os.Chown(path, 65534, 65534) }, "the user 65534"},
		"longer":             {func(path string) error { return os.WriteFile(path, make([]byte, 101), 0o600) }, "over 100 bytes"},
		"a link to one of ours": {func(path string) error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink("f.real", path))
		}, "not a regular file"},
		"a directory": {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "not a regular file"},
		"a pipe, which would keep us waiting": {func(path string) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
		}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, path := kept(t)
			if err := test.spoil(path); errors.Is(err, fs.ErrPermission) {
				t.Skip("only root gives files away")
			} else if err != nil {
				t.Fatal(err)
			}
			text, err := dir.Read("f", 100)
			switch {
			case test.want == "" && (err != nil || string(text) != secret):
				t.Errorf("%q, %v", text, err)
			case test.want != "" && (err == nil || text != nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("%q, %v; want %q and the path", text, err, test.want)
			case errors.Is(err, fs.ErrNotExist) != (name == "missing"):
				t.Errorf("%v is taken for a missing file, or a missing one is not", err)
			}
		})
	}
}

func TestNoNameLeadsOutOfTheDirectory(t *testing.T) {
	t.Parallel()
	dir, path := kept(t)
	outside := filepath.Join(filepath.Dir(filepath.Dir(path)), "outside")
	if err := os.WriteFile(outside, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../outside", outside} {
		if text, err := dir.Read(name, 100); err == nil {
			t.Errorf("%s was read: %q", name, text)
		}
		if dir.Replace(name, nil, 0o600) == nil || dir.Remove(name) == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestAFileIsReplacedWhole(t *testing.T) {
	t.Parallel()
	dir, path := kept(t)
	if err := errors.Join(os.Rename(path, path+".real"), os.Symlink("f.real", path)); err != nil {
		t.Fatal(err)
	}
	if err := dir.Replace("f", []byte("new"), 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o666 || !dir.Holds("f", []byte("new")) || !dir.Holds("f.real", []byte(secret)) {
		t.Errorf("%v, %v: it was written through the link", info, err)
	}
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dir.Replace("f.d", []byte("new"), 0o600); err == nil || !strings.Contains(err.Error(), path+".d") {
		t.Errorf("a directory was replaced: %v", err)
	}
	wantFiles(t, dir, "f", "f.d", "f.real")
}

func TestAFileIsCreatedOnce(t *testing.T) {
	t.Parallel()
	dir, _ := kept(t)
	if err := dir.Create("g", []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.Create("g", []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("it was created twice: %v", err)
	}
	if text, err := dir.Read("g", 100); err != nil || string(text) != "first" {
		t.Errorf("%q, %v", text, err)
	}
	wantFiles(t, dir, "f", "g")
	if err := errors.Join(dir.Remove("g"), dir.Remove("g")); err != nil {
		t.Error(err)
	}
	wantFiles(t, dir, "f")
}

func TestWhatAFileHolds(t *testing.T) {
	t.Parallel()
	dir, path := kept(t)
	if err := errors.Join(os.Chmod(path, 0o644), os.Symlink("f", path+".link"), syscall.Mkfifo(path+".pipe", 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, content string
		want          bool
	}{
		{"f", secret, true},
		{"f", secret[1:], false},
		{"f", secret + "x", false},
		{"f", secret[:len(secret)-1], false},
		{"f.link", secret, false},
		{"f.pipe", "", false},
		{"none", "", false},
	} {
		if got := dir.Holds(test.name, []byte(test.content)); got != test.want {
			t.Errorf("%s holds %q: %t", test.name, test.content, got)
		}
	}
}

// wantFiles wants these and nothing temporary.
func wantFiles(t *testing.T, dir *filemode.Dir, want ...string) {
	t.Helper()
	files, err := dir.Files()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("files %q, want %q", names, want)
	}
}
