package enclave

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"time"
)

// The files of the two hierarchies. Each .key file holds a private key and the
// certificates for it, so that they cannot get out of step.
const (
	fileRoot      = "root.key"       // anchor of the endpoint's certificate
	fileSubCA     = "sub-ca.key"     // issues the endpoint's certificate
	fileEndpoint  = "endpoint.key"   // what clients seal for
	fileTLSCA     = "tls-ca.key"     // anchor of the listener's certificate
	fileTLSServer = "tls-server.key" // the listener's
	fileRoots     = "roots.pem"      // public: root and sub CA
	fileTLSRoots  = "tls-ca.pem"     // public: the TLS CA
)

// How long certificates last, and how much must be left of them at a start. An
// authority always outlives what it issues.
const (
	leafLifetime      = 365 * 24 * time.Hour
	leafRenewal       = 90 * 24 * time.Hour
	authorityLifetime = 10 * leafLifetime
	authorityRenewal  = 2 * leafLifetime
)

// pki is both hierarchies, as far as a running enclave needs them. Immutable.
type pki struct {
	endpointKey *ecdh.PrivateKey
	accepted    []*ecdh.PrivateKey // beside it; nobody is given a certificate for these
	retired     []retiredKey       // newest first
	leaf        *x509.Certificate  // for endpointKey
	aiccLeaf    *x509.Certificate  // the same key under ring. and key. names
	subCA, root *x509.Certificate
	server      tls.Certificate
}

// loadPKI loads both hierarchies, makes what is missing, and writes the public
// files that clients are given. forge spoils the endpoint's certificates; nil
// leaves them as they should be.
func loadPKI(dir *stateDir, names []string, now time.Time, forge forgery) (*pki, error) {
	r := registrar{dir: dir, now: now}
	root, subCA := r.endpointAuthorities()
	endpoint := r.identity(fileEndpoint, subCA, endpointProfiles()...)
	tlsCA := r.authority(fileTLSCA, nil, "sealcar enclave TLS CA", 0)
	server := r.identity(fileTLSServer, tlsCA, serverProfile(names))
	r.publish(fileRoots, root, subCA)
	r.publish(fileTLSRoots, tlsCA)
	if r.err != nil {
		return nil, r.err
	}
	key, err := endpoint.key.ECDH()
	if err != nil {
		return nil, fmt.Errorf("endpoint key: %w", err)
	}
	accepted, err := loadAccepted(dir)
	if err != nil {
		return nil, err
	}
	retired, err := loadRetired(dir, now)
	if err != nil {
		return nil, err
	}
	if forge != nil {
		for i, leaf := range endpoint.certs {
			if endpoint.certs[i], err = forge(leaf, root, subCA); err != nil {
				return nil, err
			}
		}
	}
	return &pki{
		endpointKey: key,
		accepted:    accepted,
		retired:     retired,
		leaf:        endpoint.certs[0],
		aiccLeaf:    endpoint.certs[1],
		subCA:       subCA.certs[0],
		root:        root.certs[0],
		server:      tls.Certificate{Certificate: [][]byte{server.certs[0].Raw}, PrivateKey: server.key, Leaf: server.certs[0]},
	}, nil
}

// endpointAuthorities are the CAs above the endpoint's certificate.
func (r *registrar) endpointAuthorities() (root, subCA *identity) {
	root = r.authority(fileRoot, nil, "sealcar enclave root CA", 1)
	subCA = r.authority(fileSubCA, root, "sealcar enclave sub CA", 0)
	return root, subCA
}

// replaceEndpointKey puts a new key with its certificates in the place of the
// endpoint's.
func replaceEndpointKey(dir *stateDir, now time.Time) error {
	r := registrar{dir: dir, now: now}
	_, subCA := r.endpointAuthorities()
	if r.err != nil {
		return r.err
	}
	data, err := r.create(subCA, endpointProfiles())
	if err != nil {
		return err
	}
	return dir.replace(fileEndpoint, data, modePrivate)
}

// endpointProfiles are the endpoint's two certificates, the plain one first.
func endpointProfiles() []profile {
	return []profile{endpointProfile(nil), endpointProfile(aiccNames)}
}

// endpointProfile is like the vendor's leaf: key agreement is what it is for,
// serverAuth what the vendor marks it with.
func endpointProfile(names func(own, issuer *ecdsa.PublicKey) []string) profile {
	return profile{
		commonName: "sealcar enclave endpoint",
		lifetime:   leafLifetime, renewal: leafRenewal,
		usage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement,
		names: names,
	}
}

func serverProfile(names []string) profile {
	return profile{
		commonName: "sealcar enclave",
		lifetime:   leafLifetime, renewal: leafRenewal,
		usage: x509.KeyUsageDigitalSignature,
		names: func(_, _ *ecdsa.PublicKey) []string { return names },
	}
}

// aiccNames name the key and the ring that it belongs to. Both follow from
// keys, so that they stay when the certificate is issued anew.
func aiccNames(own, issuer *ecdsa.PublicKey) []string {
	return []string{"ring." + keyName(issuer), "key." + keyName(own)}
}

func keyName(key *ecdsa.PublicKey) string {
	point, _ := key.Bytes() // fails for other curves only, which parseIdentity refuses
	sum := sha256.Sum256(point)
	return hex.EncodeToString(sum[:8])
}

func encodePEM(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.Bytes()
}
