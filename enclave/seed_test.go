package enclave_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sealcar/enclave"
)

// mount lays files out as Kubernetes mounts a Secret: links to links.
func mount(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "..2026"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..2026", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, "..2026", name), []byte(content), 0o440); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func seeded(t *testing.T, seed, state string) error {
	t.Helper()
	o := options(state)
	o.SeedDir = seed
	_, err := enclave.New(o)
	return err
}

func TestEnclavesOfOneSeedHaveOneKey(t *testing.T) {
	t.Parallel()
	original := snapshot(t, newState(t))
	seed := mount(t, map[string]string{
		"root.key": original["root.key"], "tls-ca.key": original["tls-ca.key"],
		"endpoint.key": original["endpoint.key"], "api-key": original["api-key"],
	})
	for range 2 {
		state := filepath.Join(t.TempDir(), "state")
		for range 2 { // a restart too
			if err := seeded(t, seed, state); err != nil {
				t.Fatal(err)
			}
		}
		got := snapshot(t, state)
		for _, name := range []string{"root.key", "tls-ca.key", "tls-ca.pem", "api-key"} {
			if got[name] != original[name] {
				t.Errorf("%s is not that of the seed", name)
			}
		}
		if !bytes.Equal(keyOf(t, got["endpoint.key"]), keyOf(t, original["endpoint.key"])) {
			t.Error("the endpoint's key is not that of the seed")
		}
	}
}

func TestSeedReplacesWhatIsKept(t *testing.T) {
	t.Parallel()
	state := newState(t)
	const key = "sk-0123456789abcdef"
	if err := seeded(t, mount(t, map[string]string{"api-key": key}), state); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, state, "api-key"); got != key {
		t.Errorf("the API key is %q", got)
	}
}

func TestSeedTakesKeysAsOpenSSLAndHelmWriteThem(t *testing.T) {
	t.Parallel()
	original := snapshot(t, newState(t))
	block, _ := pem.Decode([]byte(original["endpoint.key"]))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(parsed.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	state := filepath.Join(t.TempDir(), "state")
	if err := seeded(t, mount(t, map[string]string{"endpoint.key": text}), state); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(keyOf(t, readFile(t, state, "endpoint.key")), block.Bytes) {
		t.Error("the endpoint has another key")
	}
}

// TestEnclavesOfOneEndpointRotateWithoutARefusal follows docs/rotation.md: the
// next key is accepted everywhere before anybody hands out its certificate, and
// the former one after that.
func TestEnclavesOfOneEndpointRotateWithoutARefusal(t *testing.T) {
	t.Parallel()
	original, next := snapshot(t, newState(t)), snapshot(t, newState(t))["endpoint.key"]
	common := map[string]string{"api-key": original["api-key"], "root.key": original["root.key"], "sub-ca.key": original["sub-ca.key"], "tls-ca.key": original["tls-ca.key"]}
	run := func(endpoint, accepted string) *running {
		files := maps.Clone(common)
		files["endpoint.key"] = endpoint
		if accepted != "" {
			files["endpoint-accepted.key"] = accepted
		}
		return start(t, enclave.Options{SeedDir: mount(t, files)})
	}
	before := run(original["endpoint.key"], "")
	prepared := run(original["endpoint.key"], next)
	switched := run(next, original["endpoint.key"])
	for _, tt := range []struct {
		name     string
		from, to *running
		opens    bool
	}{
		{"prepared to not yet prepared", prepared, before, true},
		{"switched to prepared", switched, prepared, true},
		{"prepared to switched", prepared, switched, true},
		{"switched to not yet prepared: what the order avoids", switched, before, false},
	} {
		got := tt.to.send(t, chatPath, tt.from.seal(t, "", canary))
		if opened := got.StatusCode == http.StatusOK; opened != tt.opens {
			t.Errorf("%s: %s", tt.name, got.Status)
		}
	}
}

func TestWhatTheSeedAcceptsNoMoreIsForgotten(t *testing.T) {
	t.Parallel()
	state, key := filepath.Join(t.TempDir(), "state"), snapshot(t, newState(t))["endpoint.key"]
	for _, files := range []map[string]string{{"endpoint-accepted.key": key}, {}} {
		if err := seeded(t, mount(t, files), state); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(state, "endpoint-accepted.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the accepted key: %v", err)
	}
}

func TestSeedIsRefused(t *testing.T) {
	t.Parallel()
	open := mount(t, map[string]string{"api-key": "sk-0123456789abcdef"})
	if err := os.Chmod(filepath.Join(open, "api-key"), 0o444); err != nil {
		t.Fatal(err)
	}
	shared := mount(t, map[string]string{"api-key": "sk-0123456789abcdef"})
	if err := os.Chmod(filepath.Join(shared, "api-key"), 0o660); err != nil {
		t.Fatal(err)
	}
	pipe := mount(t, nil) // whose reader would wait for a writer
	if err := syscall.Mkfifo(filepath.Join(pipe, "api-key"), 0o400); err != nil {
		t.Fatal(err)
	}
	for want, seed := range map[string]string{
		"mode 0444 lets":    open,
		"mode 0660 lets":    shared,
		"not a regular":     pipe,
		"is over":           mount(t, map[string]string{"api-key": strings.Repeat("k", 65<<10)}),
		"fewer than 16":     mount(t, map[string]string{"api-key": "short"}),
		"more than 8 keys":  mount(t, map[string]string{"endpoint-accepted.key": strings.Repeat(snapshot(t, newState(t))["endpoint.key"]+"\n", 9)}),
		"no private key":    mount(t, map[string]string{"endpoint.key": "junk"}),
		"no seed directory": filepath.Join(open, "missing"),
	} {
		if err := seeded(t, seed, filepath.Join(t.TempDir(), "state")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// keyOf is the PKCS #8 of the first block.
func keyOf(t *testing.T, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PRIVATE KEY" {
		t.Fatalf("no PKCS #8 at the beginning of %.40q", text)
	}
	return block.Bytes
}
