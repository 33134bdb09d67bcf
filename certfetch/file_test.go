package certfetch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
	"sealcar/test/certtest"
)

func TestFileSource(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	dir := t.TempDir()
	s := certfetch.FileSource{Path: filepath.Join(dir, "leaf.pem")}
	broken := refusal{status: 503, code: "certificate_unavailable", says: "check certificate.file"}

	_, err := s.Fetch(t.Context(), ark.Query{})
	wantRefusal(t, err, broken)

	write(t, s.Path, string(certtest.PEM(p.leaf(t), p.sub.cert)))
	if certs, err := s.Fetch(t.Context(), ark.Query{}); err != nil || len(certs) != 2 {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
	for mode, taken := range map[os.FileMode]bool{0o644: true, 0o666: false} {
		if err := os.Chmod(s.Path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fetch(t.Context(), ark.Query{}); (err == nil) != taken {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	write(t, s.Path, "garbage")
	_, err = s.Fetch(t.Context(), ark.Query{})
	wantRefusal(t, err, broken)

	write(t, s.Path, strings.Repeat(string(certtest.PEM(p.leaf(t))), 5000))
	_, err = s.Fetch(t.Context(), ark.Query{})
	wantRefusal(t, err, broken)

	_, err = (&certfetch.FileSource{Path: os.DevNull}).Fetch(t.Context(), ark.Query{})
	wantRefusal(t, err, broken)
	wantFault(t, err, "not a regular file") // a pipe would keep us waiting
}
