package enclave_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sealcar/enclave"
)

// certificates are those of a file, be it a .pem or a .key.
func certificates(t *testing.T, dir, name string) []*x509.Certificate {
	t.Helper()
	var certs []*x509.Certificate
	for block, rest := pem.Decode([]byte(readFile(t, dir, name))); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	return certs
}

func TestPKIIsLikeTheVendors(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	roots, leaves := certificates(t, dir, "roots.pem"), certificates(t, dir, "endpoint.key")
	if len(roots) != 2 || len(leaves) != 2 {
		t.Fatalf("%d certificates in roots.pem and %d for the endpoint, want 2 and 2", len(roots), len(leaves))
	}
	root, sub := roots[0], roots[1]
	if err := root.CheckSignatureFrom(root); err != nil || root.MaxPathLen != 1 {
		t.Errorf("root: %v, path length %d", err, root.MaxPathLen)
	}
	if err := sub.CheckSignatureFrom(root); err != nil || !sub.MaxPathLenZero {
		t.Errorf("sub CA: %v, path length %d", err, sub.MaxPathLen)
	}
	for _, c := range slices.Concat(roots, leaves) {
		key, ok := c.PublicKey.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() || c.SignatureAlgorithm != x509.ECDSAWithSHA256 {
			t.Errorf("%s: %v by %v, want ECDSA on P-256 with SHA-256", c.Subject, c.PublicKeyAlgorithm, c.SignatureAlgorithm)
		}
	}
	for _, c := range leaves {
		if c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || c.IsCA {
			t.Errorf("leaf has usages %v and %v", c.KeyUsage, c.ExtKeyUsage)
		}
		if c.NotAfter.After(sub.NotAfter) || sub.NotAfter.After(root.NotAfter.Add(time.Second)) {
			t.Error("a certificate outlives its issuer")
		}
	}
	if names := leaves[0].DNSNames; len(names) != 0 {
		t.Errorf("plain leaf has the names %v", names)
	}
	if names := leaves[1].DNSNames; len(names) != 2 || !strings.HasPrefix(names[0], "ring.") || !strings.HasPrefix(names[1], "key.") {
		t.Errorf("AICC leaf has the names %v", names)
	}
}

func TestListenerHasTheNamesAskedFor(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	for _, names := range [][]string{
		enclave.DefaultNames(),
		{"enclave.internal", "10.1.2.3", "fd00::1"},
		{"other.internal", "10.1.2.3", "fd00::1"},
		{"other.internal", "10.1.2.4"},
	} {
		o := options(dir)
		o.Names = names
		if _, err := enclave.New(o); err != nil {
			t.Fatal(err)
		}
		leaf, pool := certificates(t, dir, "tls-server.key")[0], x509.NewCertPool()
		pool.AddCert(certificates(t, dir, "tls-ca.pem")[0])
		for _, name := range names {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := len(leaf.DNSNames) + len(leaf.IPAddresses); got != len(names) {
			t.Errorf("%d names, want %d", got, len(names))
		}
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{}, {""}, {"localhost", "https://localhost"}, {"localhost:8443"}, {"a b"}} {
		o := options(filepath.Join(t.TempDir(), "state"))
		o.Names = names
		if _, err := enclave.New(o); err == nil {
			t.Errorf("%q was taken", names)
		}
	}
}

// TestCertificatesAreRenewedForTheSameKeys starts again and again, years apart.
func TestCertificatesAreRenewedForTheSameKeys(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	dir, begin := filepath.Join(t.TempDir(), "state"), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	at := func(age time.Duration) (leaf, sub *x509.Certificate) {
		o := options(dir)
		now := begin.Add(age)
		o.Now = func() time.Time { return now }
		if _, err := enclave.New(o); err != nil {
			t.Fatal(err)
		}
		leaf = certificates(t, dir, "endpoint.key")[0]
		roots := certificates(t, dir, "roots.pem")
		anchors, others := x509.NewCertPool(), x509.NewCertPool()
		anchors.AddCert(roots[0])
		others.AddCert(roots[1])
		for _, when := range []time.Time{now, now.Add(80 * day)} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: anchors, Intermediates: others, CurrentTime: when}); err != nil {
				t.Errorf("started after %v, at %v: %v", age, when, err)
			}
		}
		return leaf, roots[1]
	}
	first, firstSub := at(0)
	if again, sub := at(200 * day); !again.Equal(first) || !sub.Equal(firstSub) {
		t.Error("renewed too early")
	}
	second, sub := at(300 * day)
	if second.Equal(first) || !sub.Equal(firstSub) {
		t.Error("the leaf was not renewed, or the sub CA was")
	}
	if !first.PublicKey.(*ecdsa.PublicKey).Equal(second.PublicKey) {
		t.Error("the renewal changed the key")
	}
	if _, sub := at(9 * 365 * day); sub.Equal(firstSub) {
		t.Error("the sub CA was not renewed")
	}
	at(30 * 365 * day)
	at(0) // a clock that was set back
}

func TestListenerSpeaksNoOldTLS(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	dialer := tls.Dialer{NetDialer: new(net.Dialer), Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "https://"))
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// TestOwnKeyGetsCertificates brings a key without certificates, and a new root
// under which nothing fits any more.
func TestOwnKeyGetsCertificates(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"endpoint.key", "sub-ca.key", "root.key"} {
		dir := newState(t)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := spoilKey(name, func() (any, error) { return key, nil })(dir); err != nil {
			t.Fatal(err)
		}
		e := start(t, enclave.Options{StateDir: dir})
		e.endpoint(t, `{"model":"m"}`) // verifies
		if !key.PublicKey.Equal(certificates(t, dir, name)[0].PublicKey) {
			t.Errorf("the key in %s was not taken", name)
		}
	}
}
