package certfetch_test

import (
	"crypto/elliptic"
	"testing"

	"sealcar/certfetch"
)

func TestLoadRoots(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	// A root that certifies its own next key: same name twice, not self-signed.
	next := newKey(t, elliptic.P256())
	selfIssued := sign(t, caTemplate("test root", now), p.root.cert, p.root.key, next.Public(), nil)
	tests := []struct {
		name  string
		text  []byte
		fault string
	}{
		{"root", pemOf(p.root.cert), ""},
		{"sub CA, then root, with text between", append(append(pemOf(p.sub.cert), "\nsubject=/CN=test root\n"...), pemOf(p.root.cert)...), ""},
		{"sub CA alone", pemOf(p.sub.cert), "no self-signed certificate"},
		{"self-issued alone", pemOf(selfIssued), "no self-signed certificate"},
		{"an endpoint's own certificate", pemOf(selfSigned(t, now)), "not a certificate authority"},
		{"nothing", nil, "no PEM certificate"},
		{"a file of another kind", []byte("roots: builtin\n"), "no PEM certificate"},
		{"cut short", pemOf(p.root.cert)[:200], "cut short"},
		{"second one cut short", append(pemOf(p.root.cert), pemOf(p.sub.cert)[:200]...), "cut short"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := certfetch.LoadRoots(tt.text)
			wantFault(t, err, tt.fault)
		})
	}
}
