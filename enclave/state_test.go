package enclave_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sealcar/enclave"
)

func options(dir string) enclave.Options {
	return enclave.Options{StateDir: dir, Backend: enclave.BackendEcho}
}

func newState(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deep", "state")
	if _, err := enclave.New(options(dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// snapshot is the content of every file of dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		files[e.Name()] = readFile(t, dir, e.Name())
	}
	return files
}

func TestStateIsMadeWithTightModes(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	want := map[string]fs.FileMode{".": 0o700, "roots.pem": 0o644, "tls-ca.pem": 0o644}
	for _, name := range []string{"ak", "api-key", "endpoint.key", "root.key", "sk", "sub-ca.key", "tls-ca.key", "tls-server.key"} {
		want[name] = 0o600
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %#o, want %#o", name, info.Mode().Perm(), mode)
		}
	}
	if got := snapshot(t, dir); len(got) != len(want)-1 {
		t.Errorf("%d files, want %d: nothing temporary stays", len(got), len(want)-1)
	}
}

func TestStateIsKept(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	before := snapshot(t, dir)
	if _, err := enclave.New(options(dir)); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); !maps.Equal(before, after) {
		t.Error("it changed")
	}
}

func TestEnclavesThatStartAtOnceShareTheState(t *testing.T) {
	t.Parallel()
	const rounds, enclaves = 8, 16
	for range rounds {
		dir := filepath.Join(t.TempDir(), "state")
		errs, begin := make([]error, enclaves), make(chan struct{})
		var group sync.WaitGroup
		for i := range enclaves {
			group.Go(func() {
				<-begin
				_, errs[i] = enclave.New(options(dir))
			})
		}
		close(begin)
		group.Wait()
		for _, err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		before := snapshot(t, dir)
		if _, err := enclave.New(options(dir)); err != nil {
			t.Fatal(err)
		}
		if after := snapshot(t, dir); !maps.Equal(before, after) {
			t.Error("what they left did not fit together")
		}
	}
}

func TestPublicFilesAreRestored(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	before := snapshot(t, dir)
	if err := os.Remove(filepath.Join(dir, "roots.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tls-ca.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := enclave.New(options(dir)); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); !maps.Equal(before, after) {
		t.Error("they were not restored")
	}
}

func TestOwnCredentialsAreTaken(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	const own = "my-own-key-0123456789"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "api-key"), []byte(own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := start(t, enclave.Options{StateDir: dir})
	if got := e.do(t, e.request(t, "GET", "/api/v3/models", "", "Authorization", "Bearer "+own)); got.StatusCode != 200 {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

func TestBadStateIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(dir string) error
		want  string // in the error, which also names the directory
	}{
		"loose directory": {func(dir string) error { return os.Chmod(dir, 0o755) }, "chmod"},
		"loose key":       {func(dir string) error { return os.Chmod(filepath.Join(dir, "endpoint.key"), 0o644) }, "endpoint.key"},
		"loose api-key":   {func(dir string) error { return os.Chmod(filepath.Join(dir, "api-key"), 0o640) }, "api-key"},
		"linked key": {func(dir string) error {
			name := filepath.Join(dir, "root.key")
			if err := os.Rename(name, name+".moved"); err != nil {
				return err
			}
			return os.Symlink("root.key.moved", name)
		}, `root.key": it is not a regular file`},
		"key is a directory": {func(dir string) error {
			name := filepath.Join(dir, "sk")
			if err := os.Remove(name); err != nil {
				return err
			}
			return os.Mkdir(name, 0o700)
		}, `sk": it is not a regular file`},
		"garbage key": {spoil("endpoint.key", "garbage"), "endpoint.key"},
		"empty key":   {spoil("tls-ca.key", ""), "tls-ca.key"},
		"huge key": {func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "endpoint.key"), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(make([]byte, 1<<20)) // behind a good key
			return errors.Join(err, f.Close())
		}, "endpoint.key"},
		"key of another curve": {spoilKey("endpoint.key", func() (any, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }), "P-256"},
		"key of another kind": {spoilKey("root.key", func() (any, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		}), "P-256"},
		"empty credential": {spoil("sk", "\n"), "sk"},
		"short credential": {spoil("api-key", "secret"), "api-key"},
		"another key's certificate": {func(dir string) error {
			sub, err := os.ReadFile(filepath.Join(dir, "sub-ca.key"))
			if err != nil {
				return err
			}
			key, _ := pem.Decode(sub)
			other, err := os.ReadFile(filepath.Join(dir, "endpoint.key"))
			if err != nil {
				return err
			}
			_, certs := pem.Decode(other)
			return os.WriteFile(filepath.Join(dir, "endpoint.key"), append(pem.EncodeToMemory(key), certs...), 0o600)
		}, "endpoint.key"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newState(t)
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := enclave.New(options(dir))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want one with %q and the directory", err, tc.want)
			}
		})
	}
}

func spoil(name, content string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600) }
}

// spoilKey puts another key alone into a file.
func spoilKey(name string, generate func() (any, error)) func(string) error {
	return func(dir string) error {
		key, err := generate()
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		return spoil(name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))(dir)
	}
}

func TestLinkedStateDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := enclave.New(options(link)); err == nil || !strings.Contains(err.Error(), "not a directory itself") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"endpoint.key", "sk", "api-key"} {
		dir := newState(t)
		const secret = "canary-4711"
		if err := spoil(name, secret)(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := enclave.New(options(dir)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
