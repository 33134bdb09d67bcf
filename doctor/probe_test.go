package doctor_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/doctor"
	"sealcar/test/certtest"
)

// TestAProbeTellsOfARefusalButNotTheKey has an upstream that repeats the key in
// a long refusal.
func TestAProbeTellsOfARefusalButNotTheKey(t *testing.T) {
	t.Parallel()
	const model, own, given = "ep-1", "key-of-the-route", "key-of-an-application"
	for name, tt := range map[string]struct{ credentials, credential, sent string }{
		"given":               {"{source: request}", given, given},
		"of the route":        {"{source: file, api_key_file: key}", "", own},
		"given, but replaced": {"{source: file, api_key_file: key, replace: true}", given, own},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got struct{ Model string }
			var authorization string
			upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					return
				}
				body, _ := io.ReadAll(r.Body) // what is missing does not decode
				_ = json.Unmarshal(body, &got)
				authorization = r.Header.Get("Authorization")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusNotFound)
				_, _ = fmt.Fprintf(w, `{"error":{"message":"no model for %s%s"}}`, authorization, strings.Repeat(", nor for you", 1000))
			}))
			t.Cleanup(upstream.Close)
			dir := t.TempDir()
			writeEndpoint(t, dir)
			writePEM(t, filepath.Join(dir, "ca.pem"), upstream.Certificate())
			if err := os.WriteFile(filepath.Join(dir, "key"), []byte(own), 0o600); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf(`state_dir: state
routes: [{name: ark, hosts: [ark.example], upstream: %q, upstream_ca_file: ca.pem, credentials: %s,
  certificate: {source: file, file: endpoint.pem, roots: roots.pem, revocation: {mode: "off"}}}]`, upstream.URL, tt.credentials)
			c, err := config.Load(config.Source{Dir: dir, Environ: []string{"SEALCAR_CONFIG_YAML=" + text}})
			if err != nil {
				t.Fatal(err)
			}
			var probe doctor.Finding
			doctor.Examine(t.Context(), doctor.Options{Config: c, Model: model, Credential: tt.credential, Probe: true}, func(f doctor.Finding) { probe = f })
			if got.Model != model || authorization != "Bearer "+tt.sent {
				t.Errorf("the upstream got %+v with %q", got, authorization)
			}
			if probe.Step != "chat" || probe.Verdict != doctor.Bad || !strings.Contains(probe.Saw, "404") || !strings.Contains(probe.Saw, "no model for Bearer [API key]") {
				t.Errorf("%+v, want the upstream's refusal", probe)
			}
			if strings.Contains(probe.Saw, "key-of") || len(probe.Saw) > 500 {
				t.Errorf("%d bytes: %s", len(probe.Saw), probe.Saw)
			}
		})
	}
}

// writeEndpoint makes a root and an endpoint certificate of its own.
func writeEndpoint(t *testing.T, dir string) {
	t.Helper()
	rootKey := certtest.Key(t)
	root := certtest.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, rootKey, rootKey.Public())
	leaf := certtest.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "endpoint"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageKeyAgreement, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, root, rootKey, certtest.Key(t).Public())
	writePEM(t, filepath.Join(dir, "roots.pem"), root)
	writePEM(t, filepath.Join(dir, "endpoint.pem"), leaf)
}

func writePEM(t *testing.T, file string, cert *x509.Certificate) {
	t.Helper()
	if err := os.WriteFile(file, certtest.PEM(cert), 0o600); err != nil {
		t.Fatal(err)
	}
}
