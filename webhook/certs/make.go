package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

// skew is how far the clocks of API servers may be behind ours.
const skew = 10 * time.Minute

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY" // PKCS #8
)

// material is a certificate with its key, and the authorities that API servers
// are to trust: its own and that of the one before.
type material struct {
	chain, key, authorities []byte // PEM
}

// newMaterial makes a certificate for names (the first is its common name), valid
// from now on, with an authority of its own whose key is not kept. The
// authorities of before that have not ended are kept.
func newMaterial(names []string, now time.Time, lifetime time.Duration, before []*x509.Certificate) (material, error) {
	authorityKey, err := newKey()
	if err != nil {
		return material{}, err
	}
	leafKey, err := newKey()
	if err != nil {
		return material{}, err
	}
	from, to := now.Add(-skew), now.Add(lifetime)
	authority := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "sealcar webhook, authority of " + now.UTC().Format(time.RFC3339)},
		NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageCertSign,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return material{}, fmt.Errorf("making the authority: %w", err)
	}
	if authority, err = x509.ParseCertificate(authorityDER); err != nil { // with the identifier of its key
		return material{}, fmt.Errorf("reading the authority: %w", err)
	}
	leaf := &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), authorityKey)
	if err != nil {
		return material{}, fmt.Errorf("making the certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return material{}, fmt.Errorf("writing the certificate's key: %w", err)
	}
	m := material{chain: encode(certificateBlock, leafDER), key: encode(keyBlock, keyDER), authorities: encode(certificateBlock, authorityDER)}
	for _, c := range before {
		if now.Before(c.NotAfter) {
			m.authorities = append(m.authorities, encode(certificateBlock, c.Raw)...)
		}
	}
	return m, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

func encode(block string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
}

// pair is the certificate as a server uses it. It is an error if it is not one
// of the names, by one of the authorities, or not valid now.
func (m material) pair(names []string, now time.Time) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(m.chain, m.key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	for _, name := range names {
		if err := m.verify(pair.Leaf, name, now); err != nil {
			return nil, fmt.Errorf("verifying the certificate: %w", err)
		}
	}
	return &pair, nil
}

// vouchesFor tells whether a certificate is by one of the authorities.
func (m material) vouchesFor(leaf *x509.Certificate, now time.Time) bool {
	return m.verify(leaf, "", now) == nil
}

// verify judges a certificate as an API server does, "" being any name.
func (m material) verify(leaf *x509.Certificate, name string, now time.Time) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(m.authorities) // an empty pool trusts nobody
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now})
	return err
}

// first are the first n of the authorities, without what cannot be read.
func (m material) first(n int) []*x509.Certificate {
	var found []*x509.Certificate
	for rest := bytes.Clone(m.authorities); len(found) < n; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, c)
		}
	}
	return found
}
