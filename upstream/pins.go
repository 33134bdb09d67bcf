package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
)

// newPins makes the check that a verified chain holds one of the pinned keys:
// base64 SHA-256 of a SubjectPublicKeyInfo, as in RFC 7469 §2.4. A pin of a CA
// survives the leaf's renewal. Without pins it gives nil, which checks nothing.
func newPins(settings []string) (func(tls.ConnectionState) error, error) {
	if len(settings) == 0 {
		return nil, nil
	}
	pins := make(map[[sha256.Size]byte]bool, len(settings))
	for i, s := range settings {
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || len(b) != sha256.Size {
			return nil, fmt.Errorf("upstream_tls.pins[%d] %q: it must be the base64 of a SHA-256 (44 characters)", i, s)
		}
		pins[[sha256.Size]byte(b)] = true
	}
	return func(cs tls.ConnectionState) error {
		for _, chain := range cs.VerifiedChains {
			for _, c := range chain {
				if pins[sha256.Sum256(c.RawSubjectPublicKeyInfo)] {
					return nil
				}
			}
		}
		return &PinError{ServerName: cs.ServerName}
	}, nil
}

// PinError is a verified chain that holds none of the keys in
// upstream_tls.pins.
type PinError struct{ ServerName string }

func (e *PinError) Error() string {
	return fmt.Sprintf("the certificate chain of %q holds none of the keys in upstream_tls.pins", e.ServerName)
}

// Trouble is what an application is told.
func (*PinError) Trouble() string {
	return "its certificate matches none of upstream_tls.pins. Check that it is the right server, and the pins."
}
