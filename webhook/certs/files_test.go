package certs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/webhook/certs"
)

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := certs.Files(cert, key, nil); err == nil || !strings.Contains(err.Error(), cert) {
		t.Errorf("%v, want the file's name", err)
	}
	renew := func() {
		t.Helper()
		a := newAPIServer(t)
		look(t, newKeeper(t, a, newClock()))
		write(t, cert, string(a.secret["tls.crt"]))
		write(t, key, string(a.secret["tls.key"]))
	}
	renew()
	var reports []string
	pair, err := certs.Files(cert, key, func(err error) { reports = append(reports, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	expect := func(former string, changed bool) string {
		t.Helper()
		c, _ := pair.Get()
		if got := c.Leaf.SerialNumber.String(); (got != former) != changed {
			t.Errorf("%s after %s", got, former)
		}
		return c.Leaf.SerialNumber.String()
	}
	first := expect("", true)
	write(t, key, "none")
	expect(first, false)
	expect(first, false)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(first, false)
	if len(reports) != 2 || !strings.Contains(reports[1], "mode") {
		t.Errorf("reports of a key that everybody may read: %q", reports)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(reports[0], key) {
		t.Errorf("reports: %q", reports)
	}
	renew()
	expect(first, true)
}
