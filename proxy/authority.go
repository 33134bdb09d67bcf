package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
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

// authority is the local CA: it vouches for the routed hosts, to applications
// on this machine that were told to trust it.
type authority struct {
	chain    []*x509.Certificate // the CA first
	key      crypto.Signer
	leafKey  *ecdsa.PrivateKey // one for all leaves: they differ in name only
	lifetime time.Duration     // of a leaf
	now      func() time.Time
	hosts    []string // what a leaf may be for; bounds the cache too

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority(chain []*x509.Certificate, key crypto.Signer, c *config.Config, hosts []string, now func() time.Time) (*authority, error) {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the key of the leaves: %w", err)
	}
	return &authority{
		chain: chain, key: key, leafKey: leafKey, lifetime: c.Interception.LeafLifetime,
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

func (a *authority) mint(host string, now time.Time) (*tls.Certificate, error) {
	ca := a.chain[0]
	if !now.Before(ca.NotAfter) {
		return nil, fmt.Errorf("the local CA ended on %s: restart sealcar to make a new one", ca.NotAfter.Format(time.DateOnly))
	}
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: clip(host)[:min(len(host), 64)]}, // X.520 allows 64 characters; the name that counts is below
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
	der, err := x509.CreateCertificate(rand.Reader, template, ca, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey}
	for _, above := range a.chain {
		if above.CheckSignatureFrom(above) != nil { // clients have roots already, but not what is in between
			c.Certificate = append(c.Certificate, above.Raw)
		}
	}
	if c.Leaf, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("reading back: %w", err)
	}
	return c, nil
}

// newCA makes a CA certificate and its key. With names it may vouch for those
// hosts and no others.
func newCA(c config.Interception, hosts []string, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generating the key: %w", err)
	}
	serial := newSerial()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"sealcar"}, CommonName: "sealcar local CA " + hex.EncodeToString(serial.Bytes()[:4])},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(c.CALifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	if c.NameConstraints {
		constrain(template, hosts)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("reading back: %w", err)
	}
	return cert, key, nil
}

// noName is what a CA for addresses only may vouch for among names: RFC 6761
// section 6.4 keeps it from ever existing. Without it all names were permitted.
const noName = "invalid"

// constrain lets ca vouch for hosts only (RFC 5280 section 4.2.1.10): a kind of
// name of which nothing is permitted would be free, so each has an entry.
func constrain(ca *x509.Certificate, hosts []string) {
	ca.PermittedDNSDomainsCritical = true
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			ca.PermittedIPRanges = append(ca.PermittedIPRanges, exactly(ip))
		} else if !slices.Contains(ca.PermittedDNSDomains, host) {
			ca.PermittedDNSDomains = append(ca.PermittedDNSDomains, host)
		}
	}
	if len(ca.PermittedDNSDomains) == 0 {
		ca.PermittedDNSDomains = []string{noName}
	}
	if len(ca.PermittedIPRanges) == 0 {
		ca.ExcludedIPRanges = []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
			{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		}
	}
}

func exactly(ip net.IP) *net.IPNet {
	if v4 := ip.To4(); v4 != nil {
		return &net.IPNet{IP: v4, Mask: net.CIDRMask(32, 32)}
	}
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)}
}

// fits says why a CA made earlier will not do, nil if it will.
func fits(ca *x509.Certificate, c config.Interception, hosts []string, now time.Time) error {
	if !now.Before(ca.NotAfter.Add(-c.CARotateBefore)) {
		return fmt.Errorf("it ends on %s", ca.NotAfter.Format(time.DateOnly))
	}
	constrained := len(ca.PermittedDNSDomains) > 0
	if !constrained && c.NameConstraints {
		return errors.New("it has no name constraints")
	}
	for _, host := range hosts {
		if constrained && !permits(ca, host) {
			return fmt.Errorf("it may not vouch for %q", host)
		}
	}
	return nil
}

func permits(ca *x509.Certificate, host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return slices.ContainsFunc(ca.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
	}
	return slices.Contains(ca.PermittedDNSDomains, host)
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
