package upstream_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sealcar/test/certtest"
)

// ca issues certificates for both ends of a TLS connection.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T) *ca {
	t.Helper()
	a := &ca{key: certtest.Key(t)}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = certtest.Sign(t, template, nil, a.key, a.key.Public())
	return a
}

// pair issues a certificate for localhost and for clients alike.
func (a *ca) pair(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key := certtest.Key(t)
	cert := certtest.Sign(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key, key.Public())
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func (a *ca) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// file writes the CA's certificate.
func (a *ca) file(t *testing.T) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "ca.pem"), string(certtest.PEM(a.cert)))
}

// writePair writes certificate and key into dir.
func writePair(t *testing.T, dir string, pair tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	certFile = write(t, filepath.Join(dir, "tls.crt"), string(certtest.PEM(pair.Leaf)))
	keyFile = write(t, filepath.Join(dir, "tls.key"), string(certtest.KeyPEM(t, pair.PrivateKey)))
	return certFile, keyFile
}

func pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
