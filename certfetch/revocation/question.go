package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/crypto/ocsp"
)

// maxAddress bounds an address in a certificate, in bytes.
const maxAddress = 2048

// question is one statement that is wanted, from one address.
type question struct {
	kind         string // "CRL" or "OCSP"
	address      string
	cert, issuer *x509.Certificate
	key          string // of the statement that answers it: two certificates may share a CRL
	host         string // "" if the address cannot be used
}

// questions are the sources that cert names, by kind. Of each kind one that
// knows suffices.
func questions(cert, issuer *x509.Certificate) [][]question {
	var kinds [][]question
	for _, kind := range []struct {
		name      string
		about     string // what the statement is about
		addresses []string
	}{
		{"OCSP", "serial " + cert.SerialNumber.Text(16), cert.OCSPServer},
		{"CRL", fmt.Sprintf("CA %t", cert.IsCA), cert.CRLDistributionPoints},
	} {
		var list []question
		for _, address := range kind.addresses[:min(len(kind.addresses), maxAddresses)] {
			list = append(list, question{
				kind: kind.name, address: address, cert: cert, issuer: issuer, host: hostOf(address),
				key: fmt.Sprintf("%s %x %s %s", kind.name, sha256.Sum256(issuer.Raw), kind.about, address),
			})
		}
		if list != nil {
			kinds = append(kinds, list)
		}
	}
	return kinds
}

// by names the source in messages. The address stands in a certificate that was
// verified, yet in quotes.
func (q question) by() string { return fmt.Sprintf("%s %.200q", q.kind, q.address) }

// read makes a statement of what came, its signature checked.
func (q question) read(body []byte) (*statement, error) {
	if q.kind == "OCSP" {
		return readOCSP(body, q.cert, q.issuer)
	}
	return readCRL(body, q.address, q.cert, q.issuer)
}

// request gives what is to be sent: nothing for a CRL.
func (q question) request() ([]byte, error) {
	if q.kind != "OCSP" {
		return nil, nil
	}
	return ocsp.CreateRequest(q.cert, q.issuer, nil) // identified by SHA-1, which every responder knows (RFC 5019 §2.1.1)
}

var errAddress = errors.New("its address is not http://host/path; sealcar asks at no other")

func checkAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxAddress || u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, errAddress
	}
	return u, nil
}

func hostOf(address string) string {
	u, err := checkAddress(address)
	if err != nil {
		return ""
	}
	return u.Host
}
