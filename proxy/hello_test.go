package proxy_test

import (
	"crypto/tls"
	"strings"
	"testing"
)

// A base URL of https://127.0.0.1:8080 shows the application a broken handshake,
// and nobody but the sidecar knows why.
func TestTLSToAPlainDataPortIsTold(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	const told = "a client speaks TLS to the data port"
	if resp, err := r.client().Get(r.url("/v1/models")); err == nil { // plain HTTP, which is what the port is for
		_ = resp.Body.Close()
	}
	if text := r.log.String(); strings.Contains(text, told) {
		t.Fatalf("plain HTTP is told of: %s", text)
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: "127.0.0.1", RootCAs: r.roots()}}
	if c, err := dialer.DialContext(t.Context(), "tcp", r.Addr().String()); err == nil {
		_ = c.Close()
		t.Fatal("the data port speaks TLS")
	}
	eventually(t, func() bool { return strings.Count(r.log.String(), told) == 1 }, r.log.String)
}
