package enclave

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// clockSkew is how long before its making a certificate is in force: clients'
// clocks are not ours.
const clockSkew = time.Hour

// identity is a private key with its certificates.
type identity struct {
	key   *ecdsa.PrivateKey
	certs []*x509.Certificate
}

// profile is what a certificate shall say.
type profile struct {
	commonName string
	lifetime   time.Duration
	renewal    time.Duration // issued anew when less than this is left
	authority  bool
	pathLen    int // of an authority: how many authorities may stand below it
	usage      x509.KeyUsage
	names      func(own, issuer *ecdsa.PublicKey) []string // DNS names and IP addresses; nil means none
}

// registrar loads, makes and renews identities in a directory. After its first
// error it does nothing and gives nil, so that err is looked at once.
type registrar struct {
	dir *stateDir
	now time.Time
	err error
}

// authority is identity for a CA; a nil issuer makes it self-signed.
func (r *registrar) authority(file string, issuer *identity, commonName string, pathLen int) *identity {
	return r.identity(file, issuer, profile{
		commonName: commonName,
		lifetime:   authorityLifetime, renewal: authorityRenewal,
		authority: true, pathLen: pathLen,
		usage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
}

// identity gives the key kept in file, with one certificate for each profile. A
// key is made once and stays until a rotation; certificates that do not fit, or no longer, are
// issued anew.
func (r *registrar) identity(file string, issuer *identity, profiles ...profile) *identity {
	if r.err != nil {
		return nil
	}
	id, err := r.load(file, issuer, profiles)
	if err != nil {
		r.err = err
		return nil
	}
	return id
}

func (r *registrar) load(file string, issuer *identity, profiles []profile) (*identity, error) {
	data, err := r.dir.readOrCreate(file, func() ([]byte, error) { return r.create(issuer, profiles) })
	if err != nil {
		return nil, err
	}
	id, err := parseIdentity(data)
	if err != nil {
		return nil, r.dir.unusable(file, err)
	}
	if id.fits(issuer, profiles, r.now) {
		return id, nil
	}
	if data, err = r.issue(id, issuer, profiles); err != nil {
		return nil, err
	}
	if err := r.dir.replace(file, data, modePrivate); err != nil {
		return nil, err
	}
	return parseIdentity(data)
}

// create gives the content of the file of a new key.
func (r *registrar) create(issuer *identity, profiles []profile) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return r.issue(&identity{key: key}, issuer, profiles)
}

// issue gives the content of id's file with new certificates.
func (r *registrar) issue(id, issuer *identity, profiles []profile) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, p := range profiles {
		template := p.template(id.key, issuer, r.now)
		parent, signer := template, id.key
		if issuer != nil {
			parent, signer = issuer.certs[0], issuer.key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, id.key.Public(), signer)
		if err != nil {
			return nil, fmt.Errorf("issuing the certificate %q: %w", p.commonName, err)
		}
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return data, nil
}

// publish writes the certificates of authorities into a public file, unless
// they are there already.
func (r *registrar) publish(file string, ids ...*identity) {
	if r.err != nil {
		return
	}
	var certs []*x509.Certificate
	for _, id := range ids {
		certs = append(certs, id.certs[0])
	}
	data := encodePEM(certs...)
	if r.dir.Holds(file, data) {
		return
	}
	r.err = r.dir.replace(file, data, modePublic)
}

func (p profile) template(key *ecdsa.PrivateKey, issuer *identity, now time.Time) *x509.Certificate {
	t := &x509.Certificate{ // CreateCertificate draws the serial number
		Subject:               pkix.Name{CommonName: p.commonName, Organization: []string{"sealcar"}},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(p.lifetime),
		KeyUsage:              p.usage,
		SignatureAlgorithm:    x509.ECDSAWithSHA256,
		BasicConstraintsValid: true,
		IsCA:                  p.authority,
	}
	if p.authority {
		t.MaxPathLen, t.MaxPathLenZero = p.pathLen, p.pathLen == 0
		return t
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range p.alternatives(key, issuer) {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}

func (p profile) alternatives(key *ecdsa.PrivateKey, issuer *identity) []string {
	if p.names == nil {
		return nil
	}
	return p.names(&key.PublicKey, &issuer.key.PublicKey)
}

// fits reports whether id's certificates are what the profiles ask for, come
// from issuer, and have enough time left.
func (id *identity) fits(issuer *identity, profiles []profile, now time.Time) bool {
	if len(id.certs) != len(profiles) {
		return false
	}
	for i, p := range profiles {
		c, want := id.certs[i], p.template(id.key, issuer, now)
		parent := c
		if issuer != nil {
			parent = issuer.certs[0]
		}
		if now.Before(c.NotBefore) || now.After(c.NotAfter.Add(-p.renewal)) ||
			!slices.Equal(c.DNSNames, want.DNSNames) ||
			!slices.EqualFunc(c.IPAddresses, want.IPAddresses, net.IP.Equal) ||
			c.CheckSignatureFrom(parent) != nil {
			return false
		}
	}
	return true
}

// parseIdentity reads the content of a .key file.
func parseIdentity(data []byte) (*identity, error) {
	id := &identity{}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY", "EC PRIVATE KEY":
			key, err := parseKey(block)
			if err != nil {
				return nil, fmt.Errorf("its private key: %w", err)
			}
			id.key = key
		case "CERTIFICATE":
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("its certificate: %w", err)
			}
			id.certs = append(id.certs, c)
		}
	}
	if id.key == nil {
		return nil, errors.New("it holds no private key in PEM, PKCS #8 or EC")
	}
	for _, c := range id.certs {
		if !id.key.PublicKey.Equal(c.PublicKey) {
			return nil, errors.New("its private key and its certificate are of two pairs")
		}
	}
	return id, nil
}

// parseKey reads PKCS #8, which is what the enclave writes, or RFC 5915, which
// is what OpenSSL and Helm do.
func parseKey(block *pem.Block) (*ecdsa.PrivateKey, error) {
	var parsed any
	var err error
	if block.Type == "EC PRIVATE KEY" {
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	} else {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("it is not ECDSA on P-256")
	}
	return key, nil
}
