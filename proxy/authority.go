package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"

	"sealcar/config"
)

// backdate lets certificates hold for clients whose clocks are behind ours.
const backdate = time.Hour

// authority vouches for the routed hosts, to applications on this machine that
// were told to trust its CAs.
type authority struct {
	cas      []*localCA        // the newest, which may vouch for all hosts, first
	leafKey  *ecdsa.PrivateKey // one for all leaves: they differ in name only
	lifetime time.Duration     // of a leaf
	now      func() time.Time
	hosts    []string // what a leaf may be for; bounds the cache too

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority(cas []*localCA, c *config.Config, hosts []string, now func() time.Time) (*authority, error) {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the key of the leaves: %w", err)
	}
	return &authority{
		cas: cas, leafKey: leafKey, lifetime: c.Interception.LeafLifetime,
		now: now, hosts: hosts, leaves: make(map[string]*tls.Certificate),
	}, nil
}

// leaf gives a certificate for a routed host that is in force for a while yet.
func (a *authority) leaf(host string) (*tls.Certificate, error) {
	if !slices.Contains(a.hosts, host) {
		return nil, fmt.Errorf("%q has no route", host)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if c := a.leaves[host]; c != nil && now.Before(c.Leaf.NotAfter.Add(-a.lifetime/4)) {
		return c, nil
	}
	c, err := a.mint(host, now)
	if err != nil {
		return nil, fmt.Errorf("certificate for %q: %w", host, err)
	}
	a.leaves[host] = c
	return c, nil
}

// signer is the oldest CA in force that may vouch for host: running
// applications go on with the one that was there when they started, and those
// started since trust it too.
func (a *authority) signer(host string, now time.Time) *localCA {
	for _, older := range slices.Backward(a.cas[1:]) {
		if now.Before(older.cert().NotAfter) && permits(older.cert(), host) {
			return older
		}
	}
	return a.cas[0]
}

func (a *authority) mint(host string, now time.Time) (*tls.Certificate, error) {
	by := a.signer(host, now)
	ca := by.cert()
	if !now.Before(ca.NotAfter) {
		return nil, fmt.Errorf("the local CA ended on %s: restart sealcar to make a new one", ca.NotAfter.Format(time.DateOnly))
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: host[:min(len(host), 64)]}, // X.520 allows 64 characters; the name that counts is below
		NotBefore:             later(now.Add(-backdate), ca.NotBefore),
		NotAfter:              earlier(now.Add(a.lifetime), ca.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, a.leafKey.Public(), by.key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey}
	for _, above := range by.chain {
		if above.CheckSignatureFrom(above) != nil { // clients have roots already, but not what is in between
			c.Certificate = append(c.Certificate, above.Raw)
		}
	}
	if c.Leaf, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("reading back: %w", err)
	}
	return c, nil
}

// newSerial is 128 random bits, the first of them set so that the length is
// constant and the number positive.
func newSerial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
