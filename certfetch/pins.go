package certfetch

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Pins narrow down which of the certificates that verify are accepted. Of each
// kind that is given one has to match; the zero value accepts all. Immutable.
type Pins struct {
	serials []*big.Int
	spki    [][sha256.Size]byte
}

// NewPins reads pins. Serials are those of endpoint certificates, hexadecimal
// with or without colons. A member of spki is the base64 SHA-256 of a
// SubjectPublicKeyInfo (the form of RFC 7469), which any certificate of the
// verified path may have: that of a sub CA survives the rotation of its leaves.
func NewPins(serials, spki []string) (Pins, error) {
	var p Pins
	for _, s := range serials {
		n, ok := new(big.Int).SetString(strings.ReplaceAll(s, ":", ""), 16)
		if !ok || n.Sign() < 0 {
			return Pins{}, fmt.Errorf("pinned serial %q: a hexadecimal number is needed", s)
		}
		p.serials = append(p.serials, n)
	}
	for _, s := range spki {
		hash, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || len(hash) != sha256.Size {
			return Pins{}, fmt.Errorf("pinned public key %q: base64 of a SHA-256 hash is needed", s)
		}
		p.spki = append(p.spki, [sha256.Size]byte(hash))
	}
	return p, nil
}

// choose gives the first of the verified paths of a leaf that the pins allow.
func (p Pins) choose(paths [][]*x509.Certificate) ([]*x509.Certificate, error) {
	leaf := paths[0][0]
	if len(p.serials) > 0 && !slices.ContainsFunc(p.serials, func(n *big.Int) bool { return n.Cmp(leaf.SerialNumber) == 0 }) {
		return nil, fmt.Errorf("its serial number is none of the %d in certificate.pins.serials", len(p.serials))
	}
	if len(p.spki) == 0 {
		return paths[0], nil
	}
	for _, path := range paths {
		if slices.ContainsFunc(path, p.hasKeyOf) {
			return path, nil
		}
	}
	return nil, fmt.Errorf("no public key of its path is among the %d in certificate.pins.spki; the certificate's own is %s", len(p.spki), SPKI(leaf))
}

func (p Pins) hasKeyOf(c *x509.Certificate) bool {
	return slices.Contains(p.spki, sha256.Sum256(c.RawSubjectPublicKeyInfo))
}

// SPKI is the pin of a certificate's public key.
func SPKI(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
