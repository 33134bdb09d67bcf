package revocation

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ocsp"
)

// readOCSP reads a response about cert. x/crypto/ocsp checks the signature
// against whatever certificate is embedded; whether that one may speak for the
// issuer is checked here (RFC 6960 §4.2.2.2).
func readOCSP(der []byte, cert, issuer *x509.Certificate) (*statement, error) {
	r, err := ocsp.ParseResponseForCert(der, cert, nil)
	if err != nil {
		if refused, ok := errors.AsType[ocsp.ResponseError](err); ok {
			return nil, fmt.Errorf("it answered %q", refused.Status)
		}
		return nil, fmt.Errorf("it is no OCSP response about the certificate: %w", err)
	}
	if r.Certificate == nil || bytes.Equal(r.Certificate.Raw, issuer.Raw) {
		err = r.CheckSignatureFrom(issuer)
	} else {
		err = checkDelegate(r, issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("its signature: %w", err)
	}
	s := &statement{thisUpdate: r.ThisUpdate, nextUpdate: r.NextUpdate, ignorant: r.Status == ocsp.Unknown}
	if d := r.Certificate; d != nil && d.NotAfter.Before(s.nextUpdate) {
		s.nextUpdate = d.NotAfter // the signer's word holds no longer than its certificate
	}
	if r.Status == ocsp.Revoked {
		s.revoked = map[string]revocation{serialKey(cert): {r.RevokedAt, r.RevocationReason}}
	}
	return s, nil
}

// checkDelegate wants the embedded certificate to be one that the issuer itself
// made for signing OCSP responses. Its own revocation is not asked about: such
// certificates live short, and most say so (id-pkix-ocsp-nocheck).
func checkDelegate(r *ocsp.Response, issuer *x509.Certificate) error {
	d := r.Certificate
	if !bytes.Equal(d.RawIssuer, issuer.RawSubject) {
		return errors.New("the signer's certificate is not from the certificate's issuer")
	}
	if err := d.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("the signer's certificate is not from the certificate's issuer: %w", err)
	}
	switch {
	case !slices.Contains(d.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the signer's certificate is not meant for OCSP (extended key usage)")
	case d.KeyUsage != 0 && d.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the signer's certificate is not meant for signatures (key usage)")
	case r.ProducedAt.Before(d.NotBefore):
		return errors.New("the signer's certificate was not in force when it signed")
	default:
		return nil
	}
}
