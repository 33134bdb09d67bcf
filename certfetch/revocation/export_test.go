package revocation

import "crypto/x509"

// Read parses a statement about cert as it comes from the network and tells
// whether it would be believed, and whether it revokes cert.
func Read(kind string, body []byte, address string, cert, issuer *x509.Certificate) (verdict Verdict, err error) {
	s, err := question{kind: kind, address: address, cert: cert, issuer: issuer}.read(body)
	if err != nil {
		return "", err
	}
	return s.judge(cert).Verdict, nil
}
