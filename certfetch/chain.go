package certfetch

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// What one source may make us read, and what one chain may make us compute.
const (
	maxPEM         = 1 << 20 // bytes of a reply or a file
	maxChain       = 16      // certificates; real chains have two to four
	maxRSABits     = 8192    // as in crypto/tls: checking a signature by a larger key costs seconds
	certificatePEM = "CERTIFICATE"
)

// ParseChain reads the certificates of a PEM text in their order, leaf first.
// Text between the blocks is skipped (RFC 7468 §5.2). It refuses a text without
// a certificate, with more than 16, with a block of another type or one that
// is cut short, and RSA keys over 8192 bits.
func ParseChain(text []byte) ([]*x509.Certificate, error) {
	return parsePEM(text, maxChain)
}

// parsePEM counts before it parses, so that a chain that is too long costs no
// more than finding that out.
func parsePEM(text []byte, limit int) ([]*x509.Certificate, error) {
	begins := bytes.Count(text, []byte("-----BEGIN "))
	switch {
	case begins == 0:
		return nil, errors.New("no PEM certificate in it")
	case begins > limit:
		return nil, fmt.Errorf("%d PEM blocks in it, at most %d are accepted", begins, limit)
	}
	chain := make([]*x509.Certificate, 0, begins)
	for range begins {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, fmt.Errorf("PEM block %d is broken or cut short", len(chain)+1)
		}
		c, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

func parseBlock(block *pem.Block) (*x509.Certificate, error) {
	if block.Type != certificatePEM {
		return nil, fmt.Errorf("it is no %s", certificatePEM) // what it says to be is another's text, and can be a secret
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return nil, fmt.Errorf("its RSA key has %d bits, at most %d are accepted", key.N.BitLen(), maxRSABits)
	}
	return c, nil
}

// encodeChain is ParseChain's inverse.
func encodeChain(chain []*x509.Certificate) []byte {
	var text []byte
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: certificatePEM, Bytes: c.Raw})...)
	}
	return text
}
