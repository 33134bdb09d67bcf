package filemode_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sealcar/filemode"
)

const secret = "canary-40817"

func file(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestT61_LooseModesAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mode            fs.FileMode
		secret, trusted bool // may be read
	}{
		{0o400, true, true},
		{0o600, true, true},
		{0o640, true, true}, // fsGroup, a service's group
		{0o440, true, true},
		{0o660, false, true},
		{0o644, false, true},
		{0o604, false, true},
		{0o601, false, true},
		{0o664, false, true}, // a umask of 002
		{0o602, false, false},
		{0o666, false, false},
		{0o777, false, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%#o", test.mode), func(t *testing.T) {
			t.Parallel()
			path := file(t, secret, test.mode)
			_, err := filemode.ReadSecret(path, 100)
			check(t, "as a secret", err, test.secret, test.mode, path)
			_, err = filemode.ReadTrusted(path, 100)
			check(t, "as a trusted file", err, test.trusted, test.mode, path)
		})
	}
}

// check wants a refusal that names the file, its mode and the remedy, and
// nothing of what is in it.
func check(t *testing.T, what string, err error, want bool, mode fs.FileMode, path string) {
	t.Helper()
	if (err == nil) != want {
		t.Errorf("%s: got %v, want it read: %v", what, err, want)
	}
	if err == nil {
		return
	}
	for _, part := range []string{path, fmt.Sprintf("%#o", mode), "chmod"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q does not name %q", what, err, part)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("%s: %q holds the content", what, err)
	}
}

func TestWhatIsReadIsWhatIsThere(t *testing.T) {
	t.Parallel()
	path := file(t, " "+secret+"\n", 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		if text, err := filemode.ReadSecret(name, int64(len(secret)+2)); err != nil || string(text) != " "+secret+"\n" {
			t.Errorf("a secret: %q, %v", text, err)
		}
		if text, err := filemode.ReadTrusted(name, 100); err != nil || string(text) != " "+secret+"\n" {
			t.Errorf("a trusted file: %q, %v", text, err)
		}
		if word, err := filemode.ReadWord(name); err != nil || word != secret {
			t.Errorf("a word: %q, %v", word, err)
		}
	}
}

func TestALinkHasTheModeOfItsTarget(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file(t, secret, 0o644), link); err != nil {
		t.Fatal(err)
	}
	if _, err := filemode.ReadSecret(link, 100); err == nil {
		t.Error("a secret that everybody may read was read through a link")
	}
}

func TestWhatIsNoSecretIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, want string }{
		{"nothing there", filepath.Join(dir, "none"), "no such file"},
		{"a directory", dir, "not a regular file"},
		{"a pipe, which would keep us waiting", pipe, "not a regular file"},
		{"a device", "/dev/zero", "not a regular file"},
		{"empty", file(t, " \n", 0o600), "it is empty"},
		{"two words", file(t, "a b", 0o600), "not one word"},
		{"two lines", file(t, "a\nb", 0o600), "not one word"},
		{"no ASCII", file(t, "schlüssel", 0o600), "not one word"},
		{"control characters", file(t, "a\x1b[31m", 0o600), "not one word"},
		{"too long", file(t, strings.Repeat("x", 4<<10+1), 0o600), "over 4096 bytes"},
	}
	for _, test := range tests {
		word, err := filemode.ReadWord(test.path)
		if err == nil || word != "" || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: got %q, %v; want %q", test.name, word, err, test.want)
		}
	}
	if text, err := filemode.ReadTrusted(file(t, "12345", 0o600), 4); err == nil || text != nil {
		t.Errorf("more than the limit was read: %q, %v", text, err)
	}
	if _, err := filemode.ReadWord(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is %v", err)
	}
}

func TestAPrivateDirectoryIsForNobodyElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(path string) error
		want string // of the error; "" = none
	}{
		"missing":         {func(string) error { return nil }, ""},
		"ours":            {func(path string) error { return os.Mkdir(path, 0o700) }, ""},
		"the group's too": {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o750)) }, "0750"},
		"everybody's":     {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)) }, "chmod 0700"},
		"somebody else's": {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, 65534, 65534)) }, "the user 65534"},
		"a file":          {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "not a directory"},
		"a link to one of ours": {func(path string) error {
			return errors.Join(os.Mkdir(path+".real", 0o700), os.Symlink(path+".real", path))
		}, "symbolic link"},
		"a link to nowhere": {func(path string) error { return os.Symlink("/nowhere/at/all", path) }, "exists"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			above := t.TempDir()
			if err := os.Chmod(above, 0o777); err != nil { // as an emptyDir is
				t.Fatal(err)
			}
			path := filepath.Join(above, "private")
			if err := test.make(path); errors.Is(err, fs.ErrPermission) {
				t.Skip("only root gives directories away")
			} else if err != nil {
				t.Fatal(err)
			}
			root, err := filemode.OpenPrivateDir(path)
			if err == nil {
				root.Close()
			}
			if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if info, statErr := os.Stat(path); err == nil && (statErr != nil || info.Mode().Perm() != 0o700) {
				t.Errorf("it is %v, %v", info, statErr)
			}
		})
	}
}
