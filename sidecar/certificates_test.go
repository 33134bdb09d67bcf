package sidecar_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/certfetch"
	"sealcar/proxy"
	"sealcar/test/certtest"
	"sealcar/test/inprocess"
)

// site is an upstream with its certificate endpoint and the host of its CRL.
type site struct {
	root     *x509.Certificate
	key      *ecdsa.PrivateKey
	leaf     *x509.Certificate
	upstream *httptest.Server
	crl      *httptest.Server
	dir      string
	route    string // more of the sidecar's route, YAML lines
	state    string // state_dir of the sidecar that was started last

	chats, certificates, lists atomic.Int64
	last                       atomic.Pointer[string] // body of a chat
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), key: certtest.Key(t)}
	s.root = certtest.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil, s.key, s.key.Public())
	s.crl = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.lists.Add(1)
		_, _ = w.Write(s.list(t))
	}))
	t.Cleanup(s.crl.Close)
	s.leaf = s.endpoint(t, time.Now().Add(time.Hour))
	s.upstream = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.upstream.Close)
	s.write(t, "tls.pem", s.upstream.Certificate())
	s.write(t, "roots.pem", s.root)
	return s
}

// endpoint makes a certificate that its own CRL revokes.
func (s *site) endpoint(t *testing.T, end time.Time) *x509.Certificate {
	t.Helper()
	return certtest.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "endpoint"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageKeyAgreement, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CRLDistributionPoints: []string{s.crl.URL + "/crl"},
	}, s.root, s.key, certtest.Key(t).Public())
}

func (s *site) list(t *testing.T) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: s.leaf.SerialNumber, RevocationTime: time.Now(), ReasonCode: 1}},
	}, s.root, s.key)
	if err != nil {
		t.Error(err)
	}
	return der
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	got, _ := io.ReadAll(r.Body)
	body := string(got)
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/e2e/get/certificate") {
		s.certificates.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]string{"Certificate": string(certtest.PEM(s.leaf))})
		return
	}
	s.last.Store(&body)
	s.chats.Add(1)
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"error":{"message":"the chat arrived"}}`)
}

func (s *site) write(t *testing.T, name string, c *x509.Certificate) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), certtest.PEM(c), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run starts a sidecar whose route has the given certificate settings.
func (s *site) run(t *testing.T, settings string) *proxy.Proxy {
	t.Helper()
	s.state = t.TempDir()
	return inprocess.StartSidecar(t, fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
state_dir: %q
routes:
  - name: ark
    hosts: [ark.example]
    upstream: %s
    upstream_ca_file: "%s/tls.pem"
    certificate: {roots: "%s/roots.pem", %s}
%s`, s.state, s.upstream.URL, s.dir, s.dir, settings, s.route), nil).Proxy
}

func readyz(t *testing.T, p *proxy.Proxy) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.AdminAddr().String()+"/readyz?verbose", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// What the settings make of one and the same certificate, which its CRL, on a
// private address and an odd port, revokes.
func TestT20_RevocationAsConfigured(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, settings string
		code           string // "" = the sealed chat arrives
		lists          int64
		ready          string
	}{
		{"off", "revocation: {mode: off}", "", 0, `"detail":"1 endpoint certificates verified"`},
		{"soft, its address is private", "revocation: {allowed_hosts: [HOST]}", "", 0, "revocation of 1 unknown: CRL"},
		{"soft, its port is odd", "revocation: {addresses: private}", "", 0, "port"},
		{"soft, its host is not in the list", "revocation: {addresses: private, allowed_hosts: [crl.example]}", "", 0, "not in certificate.revocation.allowed_hosts"},
		{"soft, it is reached", "revocation: {addresses: private, allowed_hosts: [HOST], timeout: 1m}", "certificate_revoked", 1, ""},
		{"hard, it is reached", "revocation: {mode: hard, addresses: private, allowed_hosts: [HOST], timeout: 1m}", "certificate_revoked", 1, ""},
		{"hard, it may not be asked", "revocation: {mode: hard}", "certificate_untrusted", 0, ""},
		{"soft, its list is too large", "revocation: {addresses: private, allowed_hosts: [HOST], max_bytes: 100B, timeout: 1m}", "", 1, "over 100 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.run(t, strings.ReplaceAll(tt.settings, "HOST", fmt.Sprintf("%q", strings.TrimPrefix(s.crl.URL, "http://"))))
			status, body := chat(t, p.Addr().String(), "ark.example")
			switch {
			case tt.code == "" && (status != http.StatusNotFound || !strings.Contains(body, "the chat arrived") || s.chats.Load() != 1):
				t.Errorf("%d %s", status, body)
			case tt.code != "" && (status != http.StatusServiceUnavailable || !strings.Contains(body, `"`+tt.code+`"`) || s.chats.Load() != 0):
				t.Errorf("%d %s, %d chats; want %s and none", status, body, s.chats.Load(), tt.code)
			}
			if n := s.lists.Load(); n != tt.lists {
				t.Errorf("the CRL was asked for %d times, want %d", n, tt.lists)
			}
			if ready := readyz(t, p); !strings.Contains(ready, tt.ready) {
				t.Errorf("readyz %s, want %s", ready, tt.ready)
			}
		})
	}
}

func TestT12_PinsAsConfigured(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for settings, want := range map[string]int{
		fmt.Sprintf("pins: {serials: [\"%x\"], spki: [%q]}", s.leaf.SerialNumber, certfetch.SPKI(s.root)): http.StatusNotFound,
		"pins: {serials: [\"01\"]}": http.StatusServiceUnavailable,
		fmt.Sprintf("pins: {spki: [%q]}", certfetch.SPKI(s.upstream.Certificate())): http.StatusServiceUnavailable,
	} {
		p := s.run(t, "revocation: {mode: off}, "+settings)
		if status, body := chat(t, p.Addr().String(), "ark.example"); status != want {
			t.Errorf("%s: %d %s, want %d", settings, status, body, want)
		}
	}
	if n := s.chats.Load(); n != 1 {
		t.Errorf("%d chats arrived, want 1", n)
	}
}

func TestChainOfSourcesAsConfigured(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "endpoint.pem", s.endpoint(t, time.Now().Add(-10*time.Minute)))
	p := s.run(t, fmt.Sprintf("revocation: {mode: off}, source: chain, sources: [file, api-key], file: \"%s/endpoint.pem\"", s.dir))
	if status, body := chat(t, p.Addr().String(), "ark.example"); status != http.StatusNotFound || s.chats.Load() != 1 {
		t.Errorf("%d %s", status, body)
	}
	if ready := readyz(t, p); !strings.Contains(ready, `"source":"api-key"`) {
		t.Errorf("readyz %s", ready)
	}
}

func TestFileAsConfiguredIsReadBeforeReady(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.run(t, fmt.Sprintf("revocation: {mode: off}, source: file, file: \"%s/endpoint.pem\"", s.dir))
	waitFor(t, p, "check certificate.file")
	s.write(t, "endpoint.pem", s.leaf)
	waitFor(t, p, `"ready":true,"detail":"configuration valid`)
	if status, body := chat(t, p.Addr().String(), "ark.example"); status != http.StatusNotFound || s.chats.Load() != 1 || s.certificates.Load() != 0 {
		t.Errorf("%d %s", status, body)
	}
}

func TestT11_ReadinessNamesAClockThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ settings, says string }{
		"file":    {"source: file, file: \"%s/endpoint.pem\"", "is not yet valid: current time"},
		"api-key": {"source: api-key", "1 fetches failed, 1 of them because the certificate is not valid at "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.leaf = certtest.Sign(t, &x509.Certificate{
				Subject: pkix.Name{CommonName: "endpoint"}, NotBefore: time.Now().Add(30 * time.Minute), NotAfter: time.Now().Add(time.Hour),
				KeyUsage: x509.KeyUsageKeyAgreement, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			}, s.root, s.key, certtest.Key(t).Public())
			s.write(t, "endpoint.pem", s.leaf)
			p := s.run(t, "revocation: {mode: off}, "+strings.ReplaceAll(tt.settings, "%s", s.dir))
			waitFor(t, p, "detail")
			if status, body := chat(t, p.Addr().String(), "ark.example"); status != http.StatusServiceUnavailable || !strings.Contains(body, "certificate_untrusted") {
				t.Errorf("%d %s", status, body)
			}
			waitFor(t, p, tt.says)
		})
	}
}

// waitFor wants /readyz to say something within a generous time.
func waitFor(t *testing.T, p *proxy.Proxy, says string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		ready := readyz(t, p)
		if strings.Contains(ready, says) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("readyz %s, want %s", ready, says)
		}
	}
}
