package ark

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
)

// Certificate is an inference endpoint's certificate, verified: whoever makes
// one vouches that the leaf chains to a trusted root and is in force. Make it
// with NewCertificate. Immutable.
type Certificate struct {
	Leaf      *x509.Certificate
	PublicKey *ecdh.PublicKey // P-256
	RingID    string          // AICC only: from SAN dNSName[0] "ring.<RingID>"
	KeyID     string          // AICC only: from SAN dNSName[1] "key.<KeyID>"

	encryptInfo string // what requests that are sealed to it carry as X-Encrypt-Info
}

// encryptInfo is the value of X-Encrypt-Info.
type encryptInfo struct {
	ExpireTime int64  // of the leaf, Unix seconds
	Version    string `json:",omitempty"` // AICC only, like the rest
	RingID     string `json:",omitempty"`
	KeyID      string `json:",omitempty"`
}

// NewCertificate takes the key and, in AICC mode, the names out of a leaf that
// the caller has verified. It refuses a key that is not on P-256 and, in AICC
// mode, a leaf whose DNS names are not exactly one ring. and one key. name in
// that order.
func NewCertificate(leaf *x509.Certificate, aicc bool) (*Certificate, error) {
	pub, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fmt.Errorf("endpoint certificate %x: its key is %s, only ECDSA on P-256 is accepted", leaf.SerialNumber, leaf.PublicKeyAlgorithm)
	}
	key, err := pub.ECDH()
	if err != nil {
		return nil, fmt.Errorf("endpoint certificate %x: %w", leaf.SerialNumber, err)
	}
	c := &Certificate{Leaf: leaf, PublicKey: key}
	info := encryptInfo{ExpireTime: leaf.NotAfter.Unix()}
	if aicc {
		if c.RingID, c.KeyID, err = ringAndKey(leaf); err != nil {
			return nil, err
		}
		info.Version, info.RingID, info.KeyID = AICCVersion, c.RingID, c.KeyID
	}
	text, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("endpoint certificate %x: %w", leaf.SerialNumber, err)
	}
	c.encryptInfo = string(text)
	return c, nil
}

// ringAndKey reads the names of an AICC leaf.
func ringAndKey(leaf *x509.Certificate) (ring, key string, err error) {
	if len(leaf.DNSNames) == 2 {
		ring, isRing := strings.CutPrefix(leaf.DNSNames[0], "ring.")
		key, isKey := strings.CutPrefix(leaf.DNSNames[1], "key.")
		if isRing && isKey && ring != "" && key != "" {
			return ring, key, nil
		}
	}
	return "", "", fmt.Errorf("endpoint certificate %x: AICC needs the DNS names ring.<id> and key.<id>, in that order; it has %q", leaf.SerialNumber, leaf.DNSNames)
}

// Query says whose certificate is wanted.
type Query struct {
	Model      string // endpoint id (ep-…) or model name, as in the request
	Credential string // the request's own API key, without "Bearer "; "" if it has none
	AICC       bool

	// Symptom is, for Renew, what makes the caller ask: an answer's status and
	// error code, say. A question that brought nothing new is not repeated for
	// the same symptom for a while, but another one is worth a question of its
	// own. It comes from the endpoint, not from the application.
	Symptom string
}

// AICCVersion is the certificate type of AICC endpoints: the "type" of a question
// for such a certificate, and the Version of what is sealed to it.
const AICCVersion = "AICCv0.1"

// Certificates gives verified certificates. Errors that an application should
// see in a certain way wrap an *apierror.Error. Safe for concurrent use.
type Certificates interface {
	Certificate(ctx context.Context, q Query) (*Certificate, error)
	// Renew asks whether stale, which Certificate gave and which seems to be out
	// of use, has been replaced: changed tells that c is another certificate.
	// However often it is called, an endpoint whose certificate stays is asked
	// now and then only.
	Renew(ctx context.Context, q Query, stale *Certificate) (c *Certificate, changed bool, err error)
}
