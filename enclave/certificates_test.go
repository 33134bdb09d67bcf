package enclave_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/enclave"
)

const certificatePath = "/api/v3/e2e/get/certificate"

// verified is the one certificate of a PEM text, if it chains to roots.pem.
func verified(t *testing.T, dir, text string) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) != 0 {
		t.Fatalf("not one PEM block: %q", text)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	anchors, others := x509.NewCertPool(), x509.NewCertPool()
	roots := certificates(t, dir, "roots.pem")
	anchors.AddCert(roots[0])
	others.AddCert(roots[1])
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: anchors, Intermediates: others, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		t.Fatalf("the leaf does not chain to roots.pem: %v", err)
	}
	return leaf
}

// endpoint fetches the endpoint's certificate over the data plane.
func (r *running) endpoint(t *testing.T, body string) *x509.Certificate {
	t.Helper()
	got := r.post(t, certificatePath, body, "X-Session-Token", "/e2e/get/certificate")
	if got.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	return verified(t, r.dir, decode[struct{ Certificate string }](t, got.body).Certificate)
}

func TestDataPlaneHandsOutTheCertificate(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	plain, err := ark.NewCertificate(e.endpoint(t, `{"model":"ep-1"}`), false)
	if err != nil {
		t.Fatal(err)
	}
	aicc, err := ark.NewCertificate(e.endpoint(t, `{"model":"ep-1","type":"AICCv0.1"}`), true)
	if err != nil {
		t.Fatal(err)
	}
	if !plain.PublicKey.Equal(aicc.PublicKey) {
		t.Error("the two certificates are for different keys")
	}
}

func TestDataPlaneRefusesBadCertificateRequests(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	const token = "/e2e/get/certificate"
	tests := map[string]struct {
		body, token, authorization string
		status                     int
		code                       string
	}{
		"no key":          {`{"model":"m"}`, token, "", 401, "AuthenticationError"},
		"wrong key":       {`{"model":"m"}`, token, "Bearer nope", 401, "AuthenticationError"},
		"no token":        {`{"model":"m"}`, "", "Bearer " + e.apiKey, 400, "InvalidParameter"},
		"a session token": {`{"model":"m"}`, "BHFgpZqGiKAjXpV4PijbtJrU2kkBMQMJpDLWIg2JqCv3Jp7KRPqHaTifPm7P41ppRFjT95MrRFPl6rI0ERUN7S0=", "Bearer " + e.apiKey, 400, "InvalidParameter"},
		"no model":        {`{}`, token, "Bearer " + e.apiKey, 400, "MissingParameter"},
		"unknown type":    {`{"model":"m","type":"AICCv9"}`, token, "Bearer " + e.apiKey, 400, "InvalidParameter"},
		"no JSON":         {`model=m`, token, "Bearer " + e.apiKey, 400, "InvalidParameter"},
		"two documents":   {`{"model":"m"}{}`, token, "Bearer " + e.apiKey, 400, "InvalidParameter"},
		"huge":            {`{"model":"` + strings.Repeat("m", 1<<20) + `"}`, token, "Bearer " + e.apiKey, 413, "InvalidRequest"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := e.post(t, certificatePath, tc.body, "X-Session-Token", tc.token, "Authorization", tc.authorization)
			if got.StatusCode != tc.status || errorCode(t, got) != tc.code {
				t.Errorf("status %d, want %d and %s: %s", got.StatusCode, tc.status, tc.code, got.body)
			}
		})
	}
}
