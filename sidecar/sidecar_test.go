package sidecar_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sealcar/test/inprocess"
)

// TestEachHostOfARouteAnswersForItsOwnCertificates has two hosts on one route:
// the API key of a request goes to the host of that request and to no other,
// whether the configuration names the port or not.
func TestEachHostOfARouteAnswersForItsOwnCertificates(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"", ":443", ":80"} {
		t.Run("hosts"+port, func(t *testing.T) {
			t.Parallel()
			proxy := newEgress(t)
			addr := start(t, fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: %q
routes:
  - name: ark
    hosts: ["first.example%s", "second.example%s"]
    upstream_ca_file: %q
    upstream_proxy: http://%s
`, t.TempDir(), port, port, proxy.caFile, proxy.addr))
			for _, host := range []string{"second.example", "first.example"} {
				status, body := chat(t, addr, host+port)
				if status != http.StatusNotFound || !strings.Contains(body, host+" has no such model") {
					t.Errorf("%s: got %d %s, want the answer of its own certificate endpoint", host, status, body)
				}
			}
			if n := proxy.chats.Load(); n != 0 {
				t.Errorf("%d chats were sent without a certificate", n)
			}
		})
	}
}

func start(t *testing.T, text string) (addr string) {
	t.Helper()
	return inprocess.StartSidecar(t, text, nil).Addr().String()
}

// chat sends a chat for host through the sidecar at addr.
func chat(t *testing.T, addr, host string) (int, string) {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr}), DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	req.Header.Set("Content-Type", "application/json")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// egress is a CONNECT proxy behind which every host is one TLS server, which
// knows no model and says which host it was asked as.
type egress struct {
	addr, caFile string
	chats        atomic.Int64
}

func newEgress(t *testing.T) *egress {
	t.Helper()
	e := new(egress)
	e.start(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/e2e/get/certificate") {
			e.chats.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"error":{"code":"NotFound","message":"%s has no such model"}}`, r.Host)
	})
	return e
}

// start runs the proxy, and behind it the server.
func (e *egress) start(t *testing.T, serve http.HandlerFunc) {
	t.Helper()
	upstream := httptest.NewUnstartedServer(serve)
	upstream.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{newLeaf(t, "first.example", "second.example")}}
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	e.caFile = filepath.Join(t.TempDir(), "ca.pem")
	leaf := upstream.TLS.Certificates[0].Certificate[0]
	if err := os.WriteFile(e.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", upstream.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(far, near)
			_ = far.Close()
		}()
		_, _ = io.Copy(near, far)
		_ = near.Close()
	}))
	t.Cleanup(proxy.Close)
	e.addr = proxy.Listener.Addr().String()
}

func TestT84_RoutesShareTheBudgetOfTheConfiguration(t *testing.T) {
	t.Parallel()
	proxy := newEgress(t)
	addr := start(t, fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: %q
limits: {buffered_bytes: 16B}
routes:
  - name: ark
    hosts: [first.example]
    upstream_ca_file: %q
    upstream_proxy: http://%s
`, t.TempDir(), proxy.caFile, proxy.addr))
	if status, body := chat(t, addr, "first.example"); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "limits.buffered_bytes") {
		t.Errorf("got %d %s", status, body)
	}
}
