package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"sealcar/config"
)

// localCA is one CA that can sign leaves.
type localCA struct {
	chain []*x509.Certificate // its own certificate first
	key   crypto.Signer
}

func (c *localCA) cert() *x509.Certificate { return c.chain[0] }

// newCA makes a CA. With name constraints it may vouch for hosts and no others.
func newCA(c config.Interception, hosts []string, now time.Time) (*localCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the key: %w", err)
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
		return nil, fmt.Errorf("signing: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading back: %w", err)
	}
	return &localCA{chain: []*x509.Certificate{cert}, key: key}, nil
}

// noName is what a CA for addresses only may vouch for among names: RFC 6761
// section 6.4 keeps it from ever existing. Without it all names were permitted.
const noName = "invalid"

// constrain lets ca vouch for hosts only (RFC 5280 section 4.2.1.10): a kind of
// name of which nothing is permitted would be free, so each has an entry.
func constrain(ca *x509.Certificate, hosts []string) {
	ca.PermittedDNSDomainsCritical = true
	for _, host := range slices.Compact(slices.Sorted(slices.Values(hosts))) {
		if ip := net.ParseIP(host); ip != nil {
			ca.PermittedIPRanges = append(ca.PermittedIPRanges, exactly(ip))
		} else {
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
	if c.NameConstraints && !constrained(ca) {
		return errors.New("it has no name constraints")
	}
	for _, host := range hosts {
		if !permits(ca, host) {
			return fmt.Errorf("it may not vouch for %q", host)
		}
	}
	return nil
}

// constrained reports whether a CA of ours may vouch for some hosts only.
func constrained(ca *x509.Certificate) bool { return len(ca.PermittedDNSDomains) > 0 }

// permits reports whether a CA of ours may vouch for host.
func permits(ca *x509.Certificate, host string) bool {
	if !constrained(ca) {
		return true
	}
	if ip := net.ParseIP(host); ip != nil {
		return slices.ContainsFunc(ca.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
	}
	return slices.Contains(ca.PermittedDNSDomains, host)
}

// permitted are the hosts that CAs of ours may vouch for; none for one that may
// vouch for all.
func permitted(cas []*localCA) []string {
	var hosts []string
	for _, c := range cas {
		for _, name := range c.cert().PermittedDNSDomains {
			if name != noName {
				hosts = append(hosts, name)
			}
		}
		for _, ip := range c.cert().PermittedIPRanges {
			hosts = append(hosts, ip.IP.String())
		}
	}
	return hosts
}
