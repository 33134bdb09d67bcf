package certfetch_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

// An endpoint, or what stands before it, may send back what was sent to it, in
// places that end up in errors.

func TestT64_EchoedCredentialIsNotInTheErrorsOfASource(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	for name, echo := range map[string]func(secret string) []byte{
		"type of a PEM block": func(secret string) []byte {
			return []byte("-----BEGIN " + secret + "-----\n-----END " + secret + "-----\n")
		},
		"address that crypto/x509 quotes": func(secret string) []byte { return badAddress(t, p, secret) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range []certfetch.Source{
				endpoint(t, answer(http.StatusOK, certificateReply(t, echo(apiKey)))),
				gateway(t, answer(http.StatusOK, gatewayReply(t, map[string]any{"PCAInstanceCertificate": string(echo(secretKey))}))),
			} {
				_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
				wantRefusal(t, err, refusal{status: 503, code: "certificate_unavailable", says: "no usable certificate"})
				wantFault(t, err, "PEM block 1")
			}
		})
	}
}

func TestT64_EchoedCredentialSplitByControlCharactersIsRedacted(t *testing.T) {
	t.Parallel()
	split := apiKey[:8] + `\u0000` + apiKey[8:]
	s := endpoint(t, answer(http.StatusForbidden, `{"error":{"message":"about `+split+`"}}`))
	_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
	wantRefusal(t, err, refusal{status: 403, code: "certificate_forbidden", says: "about [redacted]"})
}

func TestT64_CauseThatQuotesTheEndpointIsBounded(t *testing.T) {
	t.Parallel()
	s := endpoint(t, answer(http.StatusOK, certificateReply(t, badAddress(t, newPKI(t, now), strings.Repeat("x", 100_000)))))
	_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
	if n := len(err.Error()); n > 1200 {
		t.Errorf("an error of %d bytes", n)
	}
}

func TestT64_CredentialInACertificatesNameIsNotTold(t *testing.T) {
	t.Parallel()
	leaf, stranger := leafOfAStrangerNamed(t, apiKey)
	b := newRig(t, func(c *certfetch.CacheConfig) { c.Verifier.Now = at(now) })
	b.source.give(leaf, stranger)
	chained := certfetch.Chain{Verifier: b.config.Verifier, Members: []certfetch.Member{{Name: "a", Source: b.source}}}
	q, want := ark.Query{Model: "m", Credential: apiKey}, refusal{status: 503, code: "certificate_untrusted", says: "[redacted]", noRetry: true}
	_, err := b.Fetch(t.Context(), q)
	wantRefusal(t, err, want)
	_, err = chained.Fetch(t.Context(), q)
	wantRefusal(t, err, want)
}

// badAddress is a certificate with a URI that crypto/x509 refuses and quotes.
func badAddress(t *testing.T, p *pki, host string) []byte {
	t.Helper()
	c := p.leaf(t, func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "https", Host: host}} })
	der := strings.Replace(string(c.Raw), "https://"+host, "%%tps://"+host, 1)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(der)})
}

// leafOfAStrangerNamed comes with an authority of its issuer's name that has not
// signed it: crypto/x509 tells of that name.
func leafOfAStrangerNamed(t *testing.T, name string) (leaf, stranger *x509.Certificate) {
	t.Helper()
	named := func(c *x509.Certificate) { c.Subject.CommonName = name }
	return newRoot(t, now, named).leaf(t, now), newRoot(t, now, named).cert
}
