package proxy_test

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/test/certtest"
)

// pki issues certificates for servers and clients.
type pki struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := new(pki)
	pair := p.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	p.cert, p.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return p
}

func (p *pki) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key := certtest.Key(t)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	leaf := certtest.Sign(t, template, p.cert, cmp.Or(p.key, key), key.Public())
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func (p *pki) server(t *testing.T) tls.Certificate {
	t.Helper()
	return p.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
}

func (p *pki) client(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	c := p.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return &c
}

func (p *pki) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.cert)
	return pool
}

func (p *pki) pem() string { return pemOf("CERTIFICATE", p.cert.Raw) }

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// tlsFiles are those of a data port with TLS.
type tlsFiles struct{ cert, key, clientCA string }

func newTLSFiles(t *testing.T, pair tls.Certificate) *tlsFiles {
	t.Helper()
	dir := t.TempDir()
	f := &tlsFiles{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	put(t, f.cert, pemOf("CERTIFICATE", pair.Certificate[0]))
	f.putKey(t, pair)
	return f
}

func (f *tlsFiles) putKey(t *testing.T, pair tls.Certificate) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f.key, pemOf("PRIVATE KEY", der))
}

// clientsOf wants certificates of clients.
func (f *tlsFiles) clientsOf(t *testing.T, p *pki) *tlsFiles {
	t.Helper()
	f.clientCA = filepath.Join(filepath.Dir(f.cert), "clients.pem")
	put(t, f.clientCA, p.pem())
	return f
}

func (f *tlsFiles) apply(c *config.Config) {
	c.ListenTLS = config.ListenTLS{CertFile: f.cert, KeyFile: f.key, ClientCAFile: f.clientCA}
}

// secureClient takes the rig for its API server, or with proxy for its proxy.
func (r *rig) secureClient(roots *x509.CertPool, cert *tls.Certificate, proxy bool) *http.Client {
	r.t.Helper()
	c := &tls.Config{RootCAs: roots}
	if cert != nil {
		c.Certificates = []tls.Certificate{*cert}
	}
	tr := &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}
	if proxy {
		tr.Proxy = http.ProxyURL(&url.URL{Scheme: "https", User: url.UserPassword("app", appToken), Host: r.Addr().String()})
	}
	return &http.Client{Transport: tr}
}

func (r *rig) ask(c *http.Client, url string) (int, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, url, strings.NewReader(chat))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Sealcar-Token", appToken)
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

func (r *rig) secureURL() string { return "https://" + r.Addr().String() + "/v1/chat/completions" }

func TestTheDataPortSpeaksTLSAtEveryDoor(t *testing.T) {
	t.Parallel()
	ca := newPKI(t)
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, newTLSFiles(t, ca.server(t)).apply, withTokens(tokenFile(t, "app:"+appToken))))
	both := r.roots()     // the local CA for what is inside a CONNECT,
	both.AddCert(ca.cert) // and the data port's
	for name, tt := range map[string]struct {
		proxy bool
		url   string
	}{
		"base URL":                {false, r.secureURL()},
		"absolute":                {true, "http://" + routedHost + "/v1/chat/completions"},
		"CONNECT, TLS inside TLS": {true, "https://" + routedHost + "/v1/chat/completions"},
	} {
		if status, err := r.ask(r.secureClient(both, nil, tt.proxy), tt.url); status != http.StatusOK {
			t.Errorf("%s: %d, %v", name, status, err)
		}
	}
	for _, s := range upstream.all() {
		if s.Header.Get("X-Sealcar-Token") != "" || s.Body != chat {
			t.Errorf("upstream got %+v", s)
		}
	}
	if n := len(upstream.all()); n != 3 {
		t.Errorf("%d requests arrived, want 3", n)
	}
	if resp, body := r.dial(post("/v1/chat/completions", r.Addr().String(), "X-Sealcar-Token: "+appToken+"\r\n")).response(); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("in clear: %s %s", resp.Status, body)
	}
	if _, err := r.ask(r.secureClient(newPKI(t).pool(), nil, false), r.secureURL()); err == nil {
		t.Error("a client that does not trust the certificate gets an answer")
	}
}

func TestT42_ClientsWithACertificateAreLetIn(t *testing.T) {
	t.Parallel()
	ca, clients, strangers := newPKI(t), newPKI(t), newPKI(t)
	files := newTLSFiles(t, ca.server(t)).clientsOf(t, clients)
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, files.apply))
	known := r.secureClient(ca.pool(), clients.client(t, "app.example.com"), false)
	if status, err := r.ask(known, r.secureURL()); status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	r.log.line(t, map[string]any{"client": "app.example.com", "door": "base-url"})
	server := clients.server(t)
	for name, cert := range map[string]*tls.Certificate{
		"none": nil, "of another authority": strangers.client(t, "app.example.com"), "of a server": &server,
	} {
		if status, err := r.ask(r.secureClient(ca.pool(), cert, false), r.secureURL()); err == nil {
			t.Errorf("a certificate that is %s: %d", name, status)
		}
	}
	if n := len(upstream.all()); n != 1 {
		t.Errorf("%d requests went on, want 1", n)
	}

	put(t, files.clientCA, strangers.pem()) // the authority is taken back, another put in
	if _, err := r.ask(known, r.secureURL()); err == nil {
		t.Error("a client of the authority before is let in")
	}
	if status, err := r.ask(r.secureClient(ca.pool(), strangers.client(t, "x"), false), r.secureURL()); status != http.StatusOK {
		t.Errorf("%d, %v", status, err)
	}
	put(t, files.clientCA, "junk")
	if _, err := r.ask(r.secureClient(ca.pool(), strangers.client(t, "x"), false), r.secureURL()); err == nil {
		t.Error("somebody is let in though nobody knows who may be")
	}
	r.log.line(t, map[string]any{"level": "error", "message": "the data port's TLS files have changed and cannot be used"})
}

func TestBothCertificateAndTokenAreWanted(t *testing.T) {
	t.Parallel()
	ca, clients := newPKI(t), newPKI(t)
	r := start(t, new(recorder), testConfig(t, newTLSFiles(t, ca.server(t)).clientsOf(t, clients).apply, withTokens(tokenFile(t, otherToken))))
	if status, err := r.ask(r.secureClient(ca.pool(), clients.client(t, "app"), false), r.secureURL()); status != http.StatusUnauthorized {
		t.Errorf("a certificate alone: %d, %v", status, err)
	}
}

func TestTheDataPortsCertificateIsRotated(t *testing.T) {
	t.Parallel()
	first, second := newPKI(t), newPKI(t)
	files := newTLSFiles(t, first.server(t))
	r := start(t, new(recorder), testConfig(t, files.apply))
	trusts := func(p *pki) bool {
		status, _ := r.ask(r.secureClient(p.pool(), nil, false), r.secureURL())
		return status == http.StatusOK
	}
	if !trusts(first) {
		t.Fatal("the first certificate is not served")
	}
	next := second.server(t)
	put(t, files.cert, pemOf("CERTIFICATE", next.Certificate[0]))
	if !trusts(first) {
		t.Error("the first does not serve on while the new files do not fit together")
	}
	files.putKey(t, next)
	if trusts(first) || !trusts(second) {
		t.Error("the second certificate is not served")
	}
}

func TestTLSFilesThatAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	ca := newPKI(t)
	missing := newTLSFiles(t, ca.server(t))
	missing.key = "/does/not/exist"
	refusedAtStart(t, testConfig(t, missing.apply), "listen_tls.key_file", "/does/not/exist")
	unfit := newTLSFiles(t, ca.server(t))
	unfit.putKey(t, ca.server(t))
	refusedAtStart(t, testConfig(t, unfit.apply), "listen_tls.cert_file", unfit.key)
	noCA := newTLSFiles(t, ca.server(t))
	noCA.clientCA = "/does/not/exist"
	refusedAtStart(t, testConfig(t, noCA.apply), "listen_tls.client_ca_file", "/does/not/exist")
	noCA.clientCA = noCA.key
	refusedAtStart(t, testConfig(t, noCA.apply), "listen_tls.client_ca_file", "no PEM certificate")
}

func TestWhoIsLetInDoesNotChangeWithAReload(t *testing.T) {
	t.Parallel()
	c := testConfig(t, withTokens(tokenFile(t, "app:"+appToken)))
	r := start(t, new(recorder), c)
	open := *c
	open.ClientAuth, open.ListenTLS = config.ClientAuth{}, config.ListenTLS{CertFile: "x"}
	if err := r.Reload(&open); err != nil {
		t.Fatal(err)
	}
	resp, body := r.dial(post("/v1/chat/completions", r.Addr().String(), "")).response()
	refusedWith(t, resp, body, http.StatusUnauthorized, "client_unauthenticated")
	r.log.line(t, map[string]any{"level": "warn", "settings": "listen_tls, client_auth"})
}
