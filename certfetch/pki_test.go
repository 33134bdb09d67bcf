package certfetch_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"sealcar/certfetch"
	"sealcar/test/certtest"
)

// edit changes a template before it is signed.
type edit func(*x509.Certificate)

// authority is a certificate and its key: a CA, or what poses as one.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// pki is a root, a sub CA and the way to make leaves, valid around at.
type pki struct {
	at        time.Time
	root, sub *authority
}

func newPKI(t testing.TB, at time.Time) *pki {
	t.Helper()
	root := newRoot(t, at)
	return &pki{at: at, root: root, sub: root.authority(t, at)}
}

func newRoot(t testing.TB, at time.Time, edits ...edit) *authority {
	t.Helper()
	a := &authority{key: certtest.Key(t)}
	a.cert = sign(t, caTemplate("test root", at), nil, a.key, a.key.Public(), edits)
	return a
}

// authority issues a CA below a.
func (a *authority) authority(t testing.TB, at time.Time, edits ...edit) *authority {
	t.Helper()
	sub := &authority{key: certtest.Key(t)}
	sub.cert = sign(t, caTemplate("test sub CA", at), a.cert, a.key, sub.key.Public(), edits)
	return sub
}

// leaf issues an endpoint certificate of the vendor's kind for a fresh key.
func (a *authority) leaf(t testing.TB, at time.Time, edits ...edit) *x509.Certificate {
	t.Helper()
	return a.leafFor(t, at, certtest.Key(t).Public(), edits...)
}

func (a *authority) leafFor(t testing.TB, at time.Time, key crypto.PublicKey, edits ...edit) *x509.Certificate {
	t.Helper()
	return sign(t, leafTemplate(at), a.cert, a.key, key, edits)
}

func (p *pki) leaf(t testing.TB, edits ...edit) *x509.Certificate {
	t.Helper()
	return p.sub.leaf(t, p.at, edits...)
}

// roots trusts the root and knows the sub CA.
func (p *pki) roots(t testing.TB) certfetch.Roots {
	t.Helper()
	return loadRoots(t, p.root.cert, p.sub.cert)
}

func loadRoots(t testing.TB, certs ...*x509.Certificate) certfetch.Roots {
	t.Helper()
	roots, err := certfetch.LoadRoots(certtest.PEM(certs...))
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

func caTemplate(name string, at time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"sealcar test"}},
		NotBefore:             at.Add(-365 * 24 * time.Hour),
		NotAfter:              at.Add(3650 * 24 * time.Hour),
		BasicConstraintsValid: true,
		IsCA:                  true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
}

func leafTemplate(at time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: "test endpoint"},
		NotBefore:   at.Add(-30 * 24 * time.Hour),
		NotAfter:    at.Add(30 * 24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// sign issues template; without a parent it signs itself.
func sign(t testing.TB, template, parent *x509.Certificate, by crypto.Signer, key crypto.PublicKey, edits []edit) *x509.Certificate {
	t.Helper()
	for _, e := range edits {
		e(template)
	}
	return certtest.Sign(t, template, parent, by, key)
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func validity(from, to time.Time) edit {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// unknownCritical adds an extension that no verifier knows and none may skip.
func unknownCritical(c *x509.Certificate) {
	c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
}

// selfSigned is an endpoint that vouches for itself.
func selfSigned(t testing.TB, at time.Time) *x509.Certificate {
	t.Helper()
	key := certtest.Key(t)
	return sign(t, leafTemplate(at), nil, key, key.Public(), nil)
}
