package certfetch_test

import (
	"testing"

	"sealcar/certfetch"
	"sealcar/test/certtest"
)

func TestLoadRoots(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	// A root that certifies its own next key: same name twice, not self-signed.
	next := certtest.Key(t)
	selfIssued := sign(t, caTemplate("test root", now), p.root.cert, p.root.key, next.Public(), nil)
	tests := []struct {
		name  string
		text  []byte
		fault string
	}{
		{"root", certtest.PEM(p.root.cert), ""},
		{"sub CA, then root, with text between", append(append(certtest.PEM(p.sub.cert), "\nsubject=/CN=test root\n"...), certtest.PEM(p.root.cert)...), ""},
		{"sub CA alone", certtest.PEM(p.sub.cert), "no self-signed certificate"},
		{"self-issued alone", certtest.PEM(selfIssued), "no self-signed certificate"},
		{"an endpoint's own certificate", certtest.PEM(selfSigned(t, now)), "not a certificate authority"},
		{"nothing", nil, "no PEM certificate"},
		{"a file of another kind", []byte("roots: builtin\n"), "no PEM certificate"},
		{"cut short", certtest.PEM(p.root.cert)[:200], "cut short"},
		{"second one cut short", append(certtest.PEM(p.root.cert), certtest.PEM(p.sub.cert)[:200]...), "cut short"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := certfetch.LoadRoots(tt.text)
			wantFault(t, err, tt.fault)
		})
	}
}
