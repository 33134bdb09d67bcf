package revocation

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// Extensions of a CRL and its entries that matter here (RFC 5280 §5.2, §5.3).
const (
	idDeltaCRLIndicator        = "2.5.29.27"
	idIssuingDistributionPoint = "2.5.29.28"
	idReasonCode               = "2.5.29.21"
	idInvalidityDate           = "2.5.29.24"
)

// readCRL reads a complete CRL in DER that covers cert (RFC 5280 §6.3.3,
// without deltas and indirect CRLs), fetched from address.
func readCRL(der []byte, address string, cert, issuer *x509.Certificate) (*statement, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("it is no CRL: %w", err)
	}
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
		return nil, fmt.Errorf("it is another issuer's CRL (%.200q)", list.Issuer)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return nil, fmt.Errorf("its signature: %w", err)
	}
	if err := checkScope(list, address, cert); err != nil {
		return nil, err
	}
	s := &statement{thisUpdate: list.ThisUpdate, nextUpdate: list.NextUpdate, revoked: make(map[string]revocation, len(list.RevokedCertificateEntries))}
	for _, e := range list.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if id := x.Id.String(); x.Critical && id != idReasonCode && id != idInvalidityDate {
				return nil, fmt.Errorf("an entry has the critical extension %s, which is not understood", id)
			}
		}
		s.revoked[string(e.SerialNumber.Bytes())] = revocation{e.RevocationTime, e.ReasonCode}
	}
	return s, nil
}

// checkScope refuses a list that does not speak about cert: silence in it would
// mean nothing.
func checkScope(list *x509.RevocationList, address string, cert *x509.Certificate) error {
	for _, x := range list.Extensions {
		switch id := x.Id.String(); {
		case id == idDeltaCRLIndicator:
			return errors.New("it is a delta CRL, a complete one is needed")
		case id == idIssuingDistributionPoint:
			p, err := parseIssuingDistributionPoint(x.Value)
			if err != nil {
				return err
			}
			if err := p.covers(address, cert); err != nil {
				return err
			}
		case x.Critical:
			return fmt.Errorf("it has the critical extension %s, which is not understood", id)
		}
	}
	return nil
}

// covers says whether a CRL of this scope, fetched from address, speaks about
// cert. An issuer may split its list over several addresses; the signature of
// each is good, so the name inside must tell them apart.
func (p issuingDistributionPoint) covers(address string, cert *x509.Certificate) error {
	switch {
	case p.indirect:
		return errors.New("it is an indirect CRL")
	case p.someReasons:
		return errors.New("it covers some reasons only")
	case p.attributeCerts, p.userCerts && cert.IsCA, p.caCerts && !cert.IsCA:
		return errors.New("it covers other kinds of certificates")
	case p.named && !slices.Contains(p.addresses, address):
		return errors.New("it is the list of another distribution point")
	default:
		return nil
	}
}
