package enclave

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"time"
)

// forgery makes of an endpoint's certificate the one that is handed out in its
// place; forgeryAt makes one that knows the time.
type (
	forgery   func(leaf *x509.Certificate, root, subCA *identity) (*x509.Certificate, error)
	forgeryAt func(now func() time.Time) forgery
)

// spoiled issues the certificate again, with a fault.
func spoiled(spoil func(*x509.Certificate)) forgery {
	return func(leaf *x509.Certificate, _, subCA *identity) (*x509.Certificate, error) {
		wrong := *leaf
		spoil(&wrong)
		return sign(&wrong, subCA.certs[0], leaf.PublicKey, subCA.key)
	}
}

func expire(now func() time.Time) forgery {
	return spoiled(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = now().Add(-2*leafLifetime), now().Add(-leafLifetime)
	})
}

func forClients(func() time.Time) forgery {
	return spoiled(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
}

func withoutAgreement(func() time.Time) forgery {
	return spoiled(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
}

// reissueAbroad makes a hierarchy that differs from the real one in its keys
// alone.
func reissueAbroad(func() time.Time) forgery {
	return func(leaf *x509.Certificate, root, subCA *identity) (*x509.Certificate, error) {
		foreignRoot, err := twin(root, nil)
		if err != nil {
			return nil, err
		}
		foreignSub, err := twin(subCA, foreignRoot)
		if err != nil {
			return nil, err
		}
		return sign(leaf, foreignSub.certs[0], leaf.PublicKey, foreignSub.key)
	}
}

// twin is an authority like the given one, with another key.
func twin(of, issuer *identity) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template := *of.certs[0]
	template.PublicKey, template.SubjectKeyId = key.Public(), nil // the latter follows from the former
	parent, signer := &template, key
	if issuer != nil {
		parent, signer = issuer.certs[0], issuer.key
	}
	c, err := sign(&template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return &identity{key: key, certs: []*x509.Certificate{c}}, nil
}

func sign(template, parent *x509.Certificate, public any, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("issuing a wrong certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
