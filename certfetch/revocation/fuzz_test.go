package revocation_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"

	"sealcar/certfetch/revocation"
)

// The corpus below testdata/fuzz holds statements of the PKI in testdata/pki.pem
// (issuer, then endpoint; the key is gone). Whatever is made of them: no panic,
// and nothing that is not signed is believed, so that the endpoint, which no
// statement of the corpus revokes, stays not revoked.

func FuzzCRL(f *testing.F) { fuzz(f, "CRL") }

func FuzzOCSP(f *testing.F) { fuzz(f, "OCSP") }

func fuzz(f *testing.F, kind string) {
	f.Helper()
	issuer, cert := fuzzPKI(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		verdict, err := revocation.Read(kind, body, "http://crl.example/1", cert, issuer)
		if err == nil && verdict == revocation.Revoked {
			t.Errorf("%s made of nothing revokes the certificate", kind)
		}
	})
}

func fuzzPKI(t testing.TB) (issuer, cert *x509.Certificate) {
	t.Helper()
	text, err := os.ReadFile("testdata/pki.pem")
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for range 2 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			t.Fatal("testdata/pki.pem: two certificates are wanted")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	return certs[0], certs[1]
}

// The corpus is of use only while it reaches past the signature.
func TestFuzzSeedsAreBelieved(t *testing.T) {
	t.Parallel()
	issuer, cert := fuzzPKI(t)
	for kind, name := range map[string]string{"CRL": "testdata/good.crl", "OCSP": "testdata/good.ocsp"} {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := revocation.Read(kind, body, "http://crl.example/1", cert, issuer); err != nil || verdict != revocation.Good {
			t.Errorf("%s: %s, %v", name, verdict, err)
		}
	}
}
