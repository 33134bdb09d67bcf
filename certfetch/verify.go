package certfetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"sealcar/crypto/ark"
)

// Verifier decides whether a chain may be sealed to. Immutable once used, and
// safe for concurrent use.
type Verifier struct {
	Roots     Roots            // what chains must lead to; the zero value refuses all
	Pins      Pins             // which of them are accepted; the zero value accepts all
	ClockSkew time.Duration    // tolerated on NotBefore and NotAfter; 0 = none
	Now       func() time.Time // nil = time.Now
}

// Verify judges a chain, leaf first. The rest of the chain is only help in
// finding the path: nothing in it becomes trusted. The path (signatures, names,
// path length, validity, name constraints, extended key usage serverAuth) is
// crypto/x509's work (RFC 5280 §6); the vendor's leaves carry no host name, so
// none is compared. On top of it the leaf must be an end entity with the key
// usage keyAgreement, a named extended key usage, a P-256 key, what is pinned and, with aicc, the two AICC
// names.
func (v *Verifier) Verify(chain []*x509.Certificate, aicc bool) (*ark.Certificate, error) {
	c, _, err := v.VerifyPath(chain, aicc)
	return c, err
}

// VerifyPath is Verify, and gives the path that was found too: leaf first, trust
// anchor last.
func (v *Verifier) VerifyPath(chain []*x509.Certificate, aicc bool) (*ark.Certificate, []*x509.Certificate, error) {
	if len(chain) == 0 {
		return nil, nil, errors.New("endpoint certificate: the chain is empty")
	}
	leaf := chain[0]
	paths, err := v.paths(leaf, chain[1:])
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint certificate %x: %w", leaf.SerialNumber, err)
	}
	switch {
	case leaf.IsCA:
		return nil, nil, fmt.Errorf("endpoint certificate %x: it is a certificate authority, not an endpoint", leaf.SerialNumber)
	case leaf.KeyUsage&x509.KeyUsageKeyAgreement == 0:
		return nil, nil, fmt.Errorf("endpoint certificate %x: its key usage does not include keyAgreement", leaf.SerialNumber)
	case !servesTLS(leaf):
		return nil, nil, fmt.Errorf("endpoint certificate %x: its extended key usage does not include serverAuth", leaf.SerialNumber)
	}
	path, err := v.Pins.choose(paths)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint certificate %x: %w", leaf.SerialNumber, err)
	}
	c, err := ark.NewCertificate(leaf, aicc)
	if err != nil {
		return nil, nil, err
	}
	return c, path, nil
}

// servesTLS says whether c names the extended key usage serverAuth, or any.
// crypto/x509 lets a certificate pass that names none (RFC 5280 §4.2.1.12).
func servesTLS(c *x509.Certificate) bool {
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// paths tries the present first, then the present as a clock would show it that
// is ClockSkew fast or slow. The error is that of the present.
func (v *Verifier) paths(leaf *x509.Certificate, rest []*x509.Certificate) ([][]*x509.Certificate, error) {
	if v.Roots.anchors == nil { // to crypto/x509 nil means the system's roots
		return nil, errors.New("no roots are configured")
	}
	opts := x509.VerifyOptions{
		Roots:         v.Roots.anchors,
		Intermediates: v.Roots.intermediates.Clone(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CurrentTime:   v.now(),
	}
	for _, c := range rest {
		opts.Intermediates.AddCert(c)
	}
	paths, err := leaf.Verify(opts)
	if err == nil || v.ClockSkew <= 0 {
		return paths, err
	}
	for _, skew := range []time.Duration{v.ClockSkew, -v.ClockSkew} {
		opts.CurrentTime = v.now().Add(skew)
		if paths, skewed := leaf.Verify(opts); skewed == nil {
			return paths, nil
		}
	}
	return nil, err
}

// inForce says whether a path that was verified before may still be used.
func (v *Verifier) inForce(path []*x509.Certificate) bool {
	return !v.now().Add(-v.ClockSkew).After(endOf(path))
}

// endOf is when the first certificate of a path expires. A sub CA may end before
// its leaf does.
func endOf(path []*x509.Certificate) time.Time {
	end := path[0].NotAfter
	for _, c := range path[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}
