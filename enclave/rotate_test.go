package enclave_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/crypto/ark"
	"sealcar/enclave"
)

// clock is a time that a test sets.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func (r *running) rotate(t *testing.T) {
	t.Helper()
	if err := r.server.Rotate(); err != nil {
		t.Fatal(err)
	}
}

func TestRotationMakesANewKeyUnderTheSameRoots(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	roots := readFile(t, e.dir, "roots.pem")
	before := e.endpoint(t, `{"model":"m"}`)
	e.rotate(t)
	after := e.endpoint(t, `{"model":"m"}`) // verified against roots.pem
	if readFile(t, e.dir, "roots.pem") != roots {
		t.Error("the roots have changed")
	}
	if string(before.RawSubjectPublicKeyInfo) == string(after.RawSubjectPublicKeyInfo) {
		t.Error("the key is the same")
	}
	aicc, err := ark.NewCertificate(e.endpoint(t, `{"model":"m","type":"AICCv0.1"}`), true)
	if err != nil {
		t.Fatal(err)
	}
	if string(aicc.Leaf.RawSubjectPublicKeyInfo) != string(after.RawSubjectPublicKeyInfo) {
		t.Error("the AICC certificate is for another key")
	}
	if texts := whole(t, e.send(t, chatPath, e.seal(t, "", canary))).texts; len(texts) != 1 {
		t.Errorf("a chat for the new key gives %q", texts)
	}
}

func TestFormerKeysOpenDuringTheOverlapAlone(t *testing.T) {
	t.Parallel()
	time0 := new(clock)
	o := enclave.Options{KeyOverlap: 10 * time.Minute, Now: time0.now, StateDir: filepath.Join(t.TempDir(), "state")}
	e := start(t, o)
	first := e.seal(t, "", canary)
	e.rotate(t)
	time0.advance(6 * time.Minute)
	second := e.seal(t, "", canary)
	e.rotate(t)
	opens := func(e *running, chat sealedChat) bool {
		t.Helper()
		got := e.send(t, chatPath, chat)
		if got.StatusCode != 200 && (got.StatusCode != 400 || errorCode(t, got) != "cannot_open") {
			t.Errorf("status %d: %s", got.StatusCode, got.body)
		}
		return got.StatusCode == 200
	}
	if !opens(e, first) || !opens(e, second) || !opens(e, e.seal(t, "", canary)) {
		t.Error("a key does not open within its overlap")
	}
	time0.advance(5 * time.Minute)
	if opens(e, first) || !opens(e, second) {
		t.Error("a key's overlap does not end by itself")
	}
	e.rotate(t)
	if n := strings.Count(readFile(t, e.dir, "endpoint-retired.key"), "BEGIN PRIVATE KEY"); n != 2 {
		t.Errorf("%d former keys are kept, want the two that still open", n)
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, o)
	if opens(again, first) || !opens(again, second) || !opens(again, again.seal(t, "", canary)) {
		t.Error("the former keys are not as before after a restart")
	}
	if info, err := os.Stat(filepath.Join(again.dir, "endpoint-retired.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestWithoutOverlapFormerKeysAreGone(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	chat := e.seal(t, "", canary)
	e.rotate(t)
	if got := e.send(t, chatPath, chat); got.StatusCode != 400 || errorCode(t, got) != "cannot_open" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
	if strings.Contains(readFile(t, e.dir, "endpoint-retired.key"), "PRIVATE") {
		t.Error("the former key is kept")
	}
}

func TestFormerKeysAreBounded(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{KeyOverlap: time.Hour})
	for range 12 {
		e.rotate(t)
	}
	if n := strings.Count(readFile(t, e.dir, "endpoint-retired.key"), "BEGIN PRIVATE KEY"); n != 8 {
		t.Errorf("%d former keys are kept, want 8", n)
	}
}

func TestAFailedRotationLeavesTheKeyInForce(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"the directory lets others in": func(dir string) error { return os.Chmod(dir, 0o755) },
		"the sub CA is broken":         func(dir string) error { return os.WriteFile(filepath.Join(dir, "sub-ca.key"), []byte("x"), 0o600) },
		"a former key is broken": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "endpoint-retired.key"), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		},
		"the key is a symbolic link": func(dir string) error {
			key := filepath.Join(dir, "endpoint.key")
			if err := os.Rename(key, key+".moved"); err != nil {
				return err
			}
			return os.Symlink("endpoint.key.moved", key)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{KeyOverlap: time.Hour})
			chat := e.seal(t, "", canary)
			before := e.endpoint(t, `{"model":"m"}`)
			if err := spoil(e.dir); err != nil {
				t.Fatal(err)
			}
			err := e.server.Rotate()
			if err == nil || !strings.Contains(err.Error(), e.dir) {
				t.Errorf("error %v, want one that names the directory", err)
			}
			if got := e.endpoint(t, `{"model":"m"}`); !got.Equal(before) {
				t.Error("the certificate has changed")
			}
			if got := e.send(t, chatPath, chat); got.StatusCode != 200 {
				t.Errorf("status %d: %s", got.StatusCode, got.body)
			}
		})
	}
}

func TestRotationsAtOnceAreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{KeyOverlap: time.Hour})
	chat := e.seal(t, "", canary)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := e.server.Rotate(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(readFile(t, e.dir, "endpoint-retired.key"), "BEGIN PRIVATE KEY"); n != 4 {
		t.Errorf("%d former keys, want 4", n)
	}
	if got := e.send(t, chatPath, chat); got.StatusCode != 200 {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}
