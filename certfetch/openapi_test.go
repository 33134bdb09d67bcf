package certfetch_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
	"sealcar/test/certtest"
)

const (
	accessKey = "AKLTcanary"
	secretKey = "canary-secret-key=="
)

func keys() (volcsign.Credentials, error) {
	return volcsign.Credentials{AccessKey: accessKey, SecretKey: secretKey}, nil
}

// gateway starts a TLS server and gives a source that asks it.
func gateway(t *testing.T, h http.HandlerFunc) *certfetch.OpenAPISource {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	return &certfetch.OpenAPISource{
		Host: strings.TrimPrefix(srv.URL, "https://"), Client: srv.Client(), Credentials: keys, Now: at(now),
	}
}

func gatewayReply(t testing.TB, result map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"ResponseMetadata": map[string]any{"RequestId": "r1", "Action": "GetEndpointCertificate"},
		"Result":           result,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOpenAPIRequestIsSignedAndItsChainUsed(t *testing.T) {
	t.Parallel()
	p, foreign := newPKI(t, now), newPKI(t, now)
	leaf := p.leaf(t)
	verifier := volcsign.Verifier{
		Secret: func(ak string) (string, bool) { return secretKey, ak == accessKey },
		Region: "cn-beijing", Service: "ark", Now: at(now), Skew: time.Minute,
	}
	var fault error
	var uri, body, token string
	s := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		uri, body, token = r.RequestURI, string(b), r.Header.Get("X-Security-Token")
		_, fault = verifier.Verify(r, b)
		answer(200, gatewayReply(t, map[string]any{
			"PCAInstanceCertificate": string(certtest.PEM(leaf)),
			"PCASubCACertificate":    string(certtest.PEM(p.sub.cert)),
			"PCARootCACertificate":   string(certtest.PEM(foreign.root.cert)),
			"NotBefore":              1704264758, "NotAfter": 1862117558,
		}))(w, r)
	})
	s.Credentials = func() (volcsign.Credentials, error) {
		return volcsign.Credentials{AccessKey: accessKey, SecretKey: secretKey, SessionToken: "sts-1"}, nil
	}
	certs, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", AICC: true})
	if err != nil || fault != nil {
		t.Fatal(err, fault)
	}
	if uri != "/?Action=GetEndpointCertificate&Version=2024-01-01" || body != `{"Id":"ep-1","Type":"AICCv0.1"}` || token != "sts-1" {
		t.Errorf("%s %s %s", uri, body, token)
	}
	if len(certs) != 2 || !certs[0].Equal(leaf) || !certs[1].Equal(p.sub.cert) {
		t.Errorf("chain of %d certificates, want leaf and sub CA, without the root", len(certs))
	}
	rootOnly := certfetch.Verifier{Roots: loadRoots(t, p.root.cert), Now: at(now)}
	wantFault(t, verify(&rootOnly, false, certs...), "") // the sub CA of the reply completes the path
}

func TestOpenAPIReplyCannotBringItsOwnTrust(t *testing.T) {
	t.Parallel()
	p, foreign := newPKI(t, now), newPKI(t, now)
	s := gateway(t, answer(200, gatewayReply(t, map[string]any{
		"PCAInstanceCertificate": string(certtest.PEM(foreign.leaf(t))),
		"PCASubCACertificate":    string(certtest.PEM(foreign.sub.cert, foreign.root.cert)),
		"PCARootCACertificate":   string(certtest.PEM(foreign.root.cert)),
	})))
	certs, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1"})
	if err != nil {
		t.Fatal(err)
	}
	v := certfetch.Verifier{Roots: p.roots(t), Now: at(now)}
	wantFault(t, verify(&v, false, certs...), "unknown authority")
}

func TestT21_OpenAPIAnswersThatAreNoCertificate(t *testing.T) {
	t.Parallel()
	refused := func(status int, code string) http.HandlerFunc {
		return answer(status, `{"ResponseMetadata":{"RequestId":"r","Error":{"CodeN":1,"Code":"`+code+`","Message":"about `+secretKey+`"}}}`)
	}
	unavailable := refusal{status: 503, code: "certificate_unavailable"}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   refusal
	}{
		{"401", refused(401, "SignatureDoesNotMatch"), refusal{401, "certificate_unauthorized", "(SignatureDoesNotMatch: about [redacted]); check certificate.access_key_file", 0, false}},
		{"signature fault with status 200", refused(200, "SignatureDoesNotMatch"), refusal{401, "certificate_unauthorized", "SignatureDoesNotMatch", 0, false}},
		{"unknown key with status 200", refused(200, "InvalidAccessKey"), refusal{401, "certificate_unauthorized", "InvalidAccessKey", 0, false}},
		{"403", refused(403, "LackPolicy"), refusal{403, "certificate_forbidden", "LackPolicy", 0, false}},
		{"no policy with status 200", refused(200, "AccessDenied"), refusal{403, "certificate_forbidden", "AccessDenied", 0, false}},
		{"404", refused(404, "InvalidEndpoint.NotFound"), refusal{404, "certificate_not_found", "InvalidEndpoint.NotFound", 0, false}},
		{"429", refused(429, "FlowLimitExceeded"), refusal{429, "certificate_rate_limited", "", 0, false}},
		{"rate limit with status 200", refused(200, "FlowLimitExceeded"), refusal{429, "certificate_rate_limited", "", 0, false}},
		{"400", refused(400, "InvalidParameter"), refusal{502, "certificate_rejected", "InvalidParameter", 0, true}},
		{"unknown code with status 200", refused(200, "Odd"), refusal{502, "certificate_rejected", "Odd", 0, true}},
		{"418 without a document", answer(418, ""), refusal{502, "certificate_rejected", "it answered 418;", 0, true}},
		{"302", answer(302, "", "Location", "https://localhost:1/"), refusal{502, "certificate_rejected", "redirects are never followed", 0, true}},
		{"500", refused(500, "InternalError"), unavailable},
		{"HTML", answer(200, "<html>"), unavailable},
		{"no result", answer(200, `{"ResponseMetadata":{}}`), unavailable},
		{"sub CA without a leaf", answer(200, gatewayReply(t, map[string]any{"PCASubCACertificate": string(certtest.PEM(newPKI(t, now).sub.cert))})), unavailable},
		{"garbage", answer(200, gatewayReply(t, map[string]any{"PCAInstanceCertificate": "garbage"})), unavailable},
		{"10 MB", answer(200, strings.Repeat(" ", 10<<20)), unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := gateway(t, tt.answer).Fetch(t.Context(), ark.Query{Model: "ep-1"})
			wantRefusal(t, err, tt.want)
		})
	}
}

func TestOpenAPIWithoutCredentialsSendsNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	s := gateway(t, func(http.ResponseWriter, *http.Request) { asked.Store(true) })
	for name, credentials := range map[string]func() (volcsign.Credentials, error){
		"no file":    func() (volcsign.Credentials, error) { return volcsign.Credentials{}, errors.New("gone") },
		"empty keys": func() (volcsign.Credentials, error) { return volcsign.Credentials{}, nil },
	} {
		s.Credentials = credentials
		_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1"})
		t.Log(name)
		wantRefusal(t, err, refusal{status: 503, code: "certificate_unavailable"})
	}
	if asked.Load() {
		t.Error("an unsigned request was sent")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
