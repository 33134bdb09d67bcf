package upstream_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/netguard"
	"sealcar/upstream"
)

// guarded makes the way for a policy.
func guarded(t *testing.T, b upstream.Bounds, edits ...func(*config.Route)) *upstream.Guarded {
	t.Helper()
	r := config.NewRoute("r", "ark.example")
	for _, e := range edits {
		e(&r)
	}
	g, err := upstream.NewGuarded(r, config.Default().Timeouts, b)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func bounds(reach netguard.Reach, hosts ...string) upstream.Bounds {
	return upstream.Bounds{Setting: "images", HTTPS: true, Reach: reach, AllowedHosts: hosts}
}

func visit(t *testing.T, g http.RoundTripper, target string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestT20_GuardedGoesOnlyWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "here")
	}))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		bounds upstream.Bounds
		target string
		fault  string // "" = it goes there
	}{
		{"private, allowed", bounds(netguard.Private, "127.0.0.1:"+port), srv.URL, ""},
		{"by name", bounds(netguard.Private, "localhost:"+port), "http://localhost:" + port, ""},
		{"by name in another spelling", bounds(netguard.Private, "localhost:"+port), "http://LOCALHOST:" + port, ""},
		{"private", bounds(netguard.Public, "127.0.0.1:"+port), srv.URL, "images.addresses: private"},
		{"private behind a name", bounds(netguard.Public, "localhost:"+port), "http://localhost:" + port, "images.addresses: private"},
		{"private, mapped", bounds(netguard.Public, "[::ffff:127.0.0.1]:"+port), "http://[::ffff:127.0.0.1]:" + port, "images.addresses: private"},
		{"private, mapped in the list alone", bounds(netguard.Private, "[::ffff:127.0.0.1]:"+port), srv.URL, ""},
		{"an address in an unusual form", bounds(netguard.Private), "http://127.1/", "unusual form"},
		{"a zone", bounds(netguard.Any), "http://[fe80::1%25eth0]/", "brackets"},
		{"a port that nobody allowed", bounds(netguard.Private), srv.URL, "port " + port},
		{"a port that nobody allowed on an allowed host", bounds(netguard.Private, "127.0.0.1"), srv.URL, "port " + port},
		{"a host that is not in the list", bounds(netguard.Private, "crl.example"), srv.URL, "not in images.allowed_hosts"},
		{"https", upstream.Bounds{Reach: netguard.Private}, "https://127.0.0.1:443/", "only http://"},
		{"no host", bounds(netguard.Private), "http:///x", "not a host name"},
		{"a host that IDNA maps to an address", bounds(netguard.Private), "http://１２７.0.0.1/", "ASCII"},
		{"another scheme", bounds(netguard.Private), "ftp://127.0.0.1:80/", "only http:// and https://"},
		{"credentials (T48)", bounds(netguard.Private), "http://public.example@127.0.0.1:80/", "credentials"},
		{"metadata, though private is allowed", bounds(netguard.Private), "http://169.254.169.254/latest", "metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := asked.Load()
			body, err := visit(t, guarded(t, tt.bounds), tt.target)
			switch {
			case tt.fault == "" && (err != nil || body != "here"):
				t.Errorf("%q, %v", body, err)
			case tt.fault != "" && (!errors.Is(err, netguard.ErrRefused) || !strings.Contains(err.Error(), tt.fault)):
				t.Errorf("error %v, want a refusal with %q", err, tt.fault)
			case tt.fault != "" && asked.Load() != before:
				t.Error("it was asked")
			}
		})
	}
}

// The upstream's pins and our certificate for it are nobody else's business.
func TestGuardedVerifiesTLSByTheRootsAlone(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	var shown atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown.Add(int32(len(r.TLS.PeerCertificates)))
		_, _ = io.WriteString(w, "here")
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{ca.pair(t, "images")}, ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	certFile, keyFile := writePair(t, t.TempDir(), ca.pair(t, "us"))
	mutual := func(r *config.Route) {
		r.UpstreamTLS.ClientCertFile, r.UpstreamTLS.ClientKeyFile = certFile, keyFile
		r.UpstreamTLS.Pins = []string{pin(newCA(t).cert)}
	}
	b := bounds(netguard.Private, srv.Listener.Addr().String())
	if body, err := visit(t, guarded(t, b, mutual, func(r *config.Route) { r.UpstreamCAFile = ca.file(t) }), srv.URL); err != nil || body != "here" {
		t.Errorf("%q, %v", body, err)
	}
	if shown.Load() != 0 {
		t.Error("our client certificate was shown")
	}
	if _, err := visit(t, guarded(t, b), srv.URL); err == nil {
		t.Error("a certificate of an unknown authority is taken")
	}
}

func TestT43_GuardedGoesThroughTheEgressProxy(t *testing.T) {
	t.Parallel()
	var seen atomic.Pointer[url.URL]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL)
		_, _ = io.WriteString(w, "by proxy")
	}))
	t.Cleanup(proxy.Close)
	g := guarded(t, upstream.Bounds{}, func(r *config.Route) { r.UpstreamProxy = proxy.URL })
	if body, err := visit(t, g, "http://crl.example/volc1?sn=1"); err != nil || body != "by proxy" {
		t.Fatalf("%q, %v", body, err)
	}
	if u := seen.Load(); u.String() != "http://crl.example/volc1?sn=1" {
		t.Errorf("the proxy saw %s", u)
	}
	seen.Store(nil)
	for _, target := range []string{
		"http://127.0.0.1/", "http://[fd00::1]/", "http://169.254.169.254/", "http://crl.example:22/", "http://[::ffff:127.0.0.1]/",
		"http://127.1/", "http://0/", "http://2130706433/", "http://0x7f.1/", "http://0x7f000001/", "http://0177.0.0.01/", "http://127.0.0.1./",
	} {
		if _, err := visit(t, g, target); err == nil {
			t.Errorf("%s was asked for", target)
		}
	}
	if seen.Load() != nil {
		t.Error("the proxy saw a refused request")
	}
}

func TestNewGuardedWantsARouteThatHoldsTogether(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*config.Route){
		func(r *config.Route) { r.UpstreamCAFile = "/does/not/exist" },
		func(r *config.Route) { r.UpstreamProxy = "ftp://proxy.example" },
	} {
		r := config.NewRoute("r", "ark.example")
		edit(&r)
		if _, err := upstream.NewGuarded(r, config.Default().Timeouts, upstream.Bounds{}); err == nil || !strings.Contains(err.Error(), "upstream_") || strings.Contains(err.Error(), "route") {
			t.Errorf("error %v, want one that names the setting; the caller names the route", err)
		}
	}
}

// A reload leaves nothing behind that would have to be closed.
func TestGuardedKeepsNoConnection(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		closed := make(chan struct{}, 1)
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		}
		srv.EnableHTTP2 = true
		start(srv)
		t.Cleanup(srv.Close)
		_, host, _ := strings.Cut(srv.URL, "://")
		g := guarded(t, bounds(netguard.Private, host), func(r *config.Route) {
			if srv.Certificate() != nil {
				r.UpstreamCA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
			}
		})
		if got, err := visit(t, g, srv.URL); got != "ok" {
			t.Fatalf("%s: got %q, %v", name, got, err)
		}
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the connection stays open", name)
		}
	}
}

func TestNewGuardedWantsHosts(t *testing.T) {
	t.Parallel()
	_, err := upstream.NewGuarded(config.NewRoute("r", "ark.example"), config.Default().Timeouts, bounds(netguard.Public, "a b"))
	if err == nil || !strings.Contains(err.Error(), "images.allowed_hosts") {
		t.Errorf("error %v, want one that names the setting", err)
	}
}

func TestGuardedEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guarded(t, bounds(netguard.Private)).RoundTrip(req); err == nil {
		t.Error("no error")
	}
}
