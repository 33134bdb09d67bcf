package apikey_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/apikey"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAChangedFileIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	writeFile(t, path, "sk-one\n")
	f, err := apikey.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := func(want string) {
		t.Helper()
		if got, err := f.Credential(t.Context(), "m"); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	want("sk-one")
	writeFile(t, filepath.Join(dir, "next"), "  sk-two")
	if err := os.Rename(filepath.Join(dir, "next"), path); err != nil {
		t.Fatal(err)
	}
	want("sk-two")
	if key, changed, err := f.Renew(t.Context(), "m", "sk-one"); key != "sk-two" || !changed || err != nil {
		t.Errorf("got %q, %t, %v", key, changed, err)
	}
	if _, changed, err := f.Renew(t.Context(), "m", "sk-two"); changed || err != nil {
		t.Errorf("got %t, %v", changed, err)
	}
	writeFile(t, path, "sk-three-longer")
	want("sk-three-longer")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "sk-three-longest") // within the clock's grain
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	want("sk-three-longest")

	// As Kubernetes swaps a mounted Secret: by a link to a directory.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if f, err = apikey.NewFile(link); err != nil {
		t.Fatal(err)
	}
	want("sk-three-longest")
	other := filepath.Join(dir, "other") // of the same length and time
	writeFile(t, other, "sk-three-langest")
	if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other", link); err != nil {
		t.Fatal(err)
	}
	want("sk-three-langest")
}

func TestAKeyThatWasTakenAwayIsNotUsed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	writeFile(t, path, "sk-one")
	f, err := apikey.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = f.Credential(t.Context(), "m")
	wantCode(t, err, 503, "api_key_unavailable")
	writeFile(t, path, "sk-two")
	if got, err := f.Credential(t.Context(), "m"); err != nil || got != "sk-two" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBadSecretFilesAreRefusedWithoutTheirContent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty":     " \n",
		"two words": "canary sk-two",
		"two lines": "canary\nsk-two",
		"not ASCII": "canary-ключ",
		"control":   "canary\x00",
		"too long":  "canary" + strings.Repeat("x", 5000),
	} {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		if _, err := apikey.NewFile(path); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, w, err := os.Pipe() // whose reader waits for as long as it has a writer
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for _, path := range []string{fmt.Sprint("/dev/fd/", r.Fd()), dir, filepath.Join(dir, "missing"), "/dev/zero"} {
		if _, err := apikey.NewFile(path); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
}
