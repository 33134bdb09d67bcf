package certfetch

import (
	"bytes"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
)

// maxRoots bounds a roots file. It is the operator's own, so the bound only
// tells a wrong file (a system's bundle) from a right one.
const maxRoots = 100

//go:embed roots/*.pem
var builtin embed.FS

// Roots is what endpoint certificates must chain to. The zero value trusts
// nothing. Immutable.
type Roots struct {
	anchors       *x509.CertPool // trusted; nil trusts nothing
	intermediates *x509.CertPool // complete a chain, are not trusted by themselves
}

// BuiltinRoots gives the vendor's published root CA and sub CA; see
// roots/README.md.
func BuiltinRoots() (Roots, error) {
	var text []byte
	for _, name := range []string{"roots/root-ca.pem", "roots/sub-ca.pem"} {
		b, err := builtin.ReadFile(name)
		if err != nil {
			return Roots{}, fmt.Errorf("reading built-in %s: %w", name, err)
		}
		text = append(text, b...)
	}
	return LoadRoots(text)
}

// LoadRoots reads a PEM text whose self-signed certificates become anchors and
// whose others become intermediates. Several anchors at once are right: that is
// how a root is rolled over. It refuses a text without an anchor and a
// self-signed certificate that is not an authority.
func LoadRoots(text []byte) (Roots, error) {
	certs, err := parsePEM(text, maxRoots)
	if err != nil {
		return Roots{}, fmt.Errorf("roots: %w", err)
	}
	r := Roots{anchors: x509.NewCertPool(), intermediates: x509.NewCertPool()}
	anchored := false
	for _, c := range certs {
		if !selfSigned(c) {
			r.intermediates.AddCert(c)
			continue
		}
		if !c.IsCA {
			return Roots{}, fmt.Errorf("roots: %q is self-signed but not a certificate authority; an endpoint's own certificate cannot be its root", c.Subject)
		}
		r.anchors.AddCert(c)
		anchored = true
	}
	if !anchored {
		return Roots{}, errors.New("roots: no self-signed certificate in it, so there is nothing to trust; add the root CA to the file")
	}
	return r, nil
}

// selfSigned looks at the signature too: equal names alone are also those of a
// CA that certifies its own next key.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}
