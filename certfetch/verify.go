package certfetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"sealcar/crypto/ark"
)

// Verifier decides whether a chain may be sealed to. Immutable once used, and
// safe for concurrent use.
type Verifier struct {
	Roots     Roots            // what chains must lead to; the zero value refuses all
	ClockSkew time.Duration    // tolerated on NotBefore and NotAfter; 0 = none
	Now       func() time.Time // nil = time.Now
}

// Verify judges a chain, leaf first. The rest of the chain is only help in
// finding the path: nothing in it becomes trusted. The path (signatures, names,
// path length, validity, name constraints, extended key usage serverAuth) is
// crypto/x509's work (RFC 5280 §6); the vendor's leaves carry no host name, so
// none is compared. On top of it the leaf must be an end entity with the key
// usage keyAgreement, a P-256 key and, with aicc, the two AICC names.
func (v *Verifier) Verify(chain []*x509.Certificate, aicc bool) (*ark.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("endpoint certificate: the chain is empty")
	}
	leaf := chain[0]
	if err := v.verifyPath(leaf, chain[1:]); err != nil {
		return nil, fmt.Errorf("endpoint certificate %x: %w", leaf.SerialNumber, err)
	}
	switch {
	case leaf.IsCA:
		return nil, fmt.Errorf("endpoint certificate %x: it is a certificate authority, not an endpoint", leaf.SerialNumber)
	case leaf.KeyUsage&x509.KeyUsageKeyAgreement == 0:
		return nil, fmt.Errorf("endpoint certificate %x: its key usage does not include keyAgreement", leaf.SerialNumber)
	}
	return ark.NewCertificate(leaf, aicc)
}

// verifyPath tries the present first, then the present as a clock would show it
// that is ClockSkew fast or slow. The error is that of the present.
func (v *Verifier) verifyPath(leaf *x509.Certificate, rest []*x509.Certificate) error {
	if v.Roots.anchors == nil { // to crypto/x509 nil means the system's roots
		return errors.New("no roots are configured")
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
	_, err := leaf.Verify(opts)
	if err == nil || v.ClockSkew <= 0 {
		return err
	}
	for _, skew := range []time.Duration{v.ClockSkew, -v.ClockSkew} {
		opts.CurrentTime = v.now().Add(skew)
		if _, skewed := leaf.Verify(opts); skewed == nil {
			return nil
		}
	}
	return err
}

// expired says whether a leaf that was verified before may not be used any more.
func (v *Verifier) expired(leaf *x509.Certificate) bool {
	return v.now().Add(-v.ClockSkew).After(leaf.NotAfter)
}

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}
