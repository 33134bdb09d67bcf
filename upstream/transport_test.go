package upstream_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/test/certtest"
	"sealcar/upstream"
)

var (
	timeouts = config.Timeouts{
		Idle: time.Minute, Dial: 10 * time.Second, TLSHandshake: 10 * time.Second, ResponseHeader: 30 * time.Second,
	}
	limits = config.Limits{HeaderBytes: 64 << 10}
)

// server is an upstream of the CA's, over HTTP/2, that says who asked.
func server(t *testing.T, a *ca, edits ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			w.Header().Set("Client", r.TLS.PeerCertificates[0].Subject.CommonName)
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{a.pair(t, "server")}}
	srv.Config.ErrorLog = silent()
	for _, e := range edits {
		e(srv)
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// trouble is what an application is told of an error, as package proxy asks it,
// which may not import this one.
func trouble(err error) string {
	e, ok := errors.AsType[interface {
		error
		Trouble() string
	}](err)
	if !ok {
		return ""
	}
	return e.Trouble()
}

func transport(t *testing.T, r config.Route) *http.Transport {
	t.Helper()
	tr, err := upstream.NewTransport(r, timeouts, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// get asks once; the headers come with the body read and closed.
func get(t *testing.T, tr http.RoundTripper, url string) (http.Header, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.Header, string(b), err
}

func wantFault(t *testing.T, err error, fault string) {
	t.Helper()
	switch {
	case fault == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case fault != "" && (err == nil || !strings.Contains(err.Error(), fault)):
		t.Errorf("error %v, want one with %q", err, fault)
	}
}

func TestTrustedRoots(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	srv := server(t, a)
	_, _, err := get(t, transport(t, config.Route{}), srv.URL)
	wantFault(t, err, "unknown authority")
	_, _, err = get(t, transport(t, config.Route{UpstreamCAFile: newCA(t).file(t)}), srv.URL)
	wantFault(t, err, "unknown authority")

	_, _, err = get(t, transport(t, config.Route{UpstreamCAFile: newCA(t).file(t), UpstreamCA: string(certtest.PEM(a.cert))}), srv.URL)
	wantFault(t, err, "")

	trusting := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	_, body, err := get(t, trusting, srv.URL)
	wantFault(t, err, "")
	if body != "HTTP/2.0" {
		t.Errorf("protocol %q, want HTTP/2.0", body)
	}
	_, _, err = get(t, trusting, strings.Replace(srv.URL, "127.0.0.1", "127.0.0.2", 1))
	if err == nil {
		t.Error("a certificate for another address was accepted")
	}
}

func TestExtraRootsDoNotReplaceTheSystems(t *testing.T) {
	a, system := newCA(t), newCA(t)
	t.Setenv("SSL_CERT_FILE", system.file(t)) // read once by crypto/x509, if nobody was there before
	if _, _, err := get(t, transport(t, config.Route{}), server(t, system).URL); err != nil {
		t.Skip("the system's roots are loaded already")
	}
	_, _, err := get(t, transport(t, config.Route{UpstreamCAFile: a.file(t)}), server(t, system).URL)
	wantFault(t, err, "")
}

func TestPins(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	srv := server(t, a)
	other := pin(newCA(t).cert)
	for name, tt := range map[string]struct {
		pins  []string
		fault string
	}{
		"none":               {nil, ""},
		"the leaf's":         {[]string{pin(srv.TLS.Certificates[0].Leaf)}, ""},
		"the CA's":           {[]string{pin(a.cert)}, ""},
		"one of two":         {[]string{other, pin(a.cert)}, ""},
		"another's":          {[]string{other}, "none of the keys in upstream_tls.pins"},
		"another's, unknown": {[]string{other, other}, "none of the keys in upstream_tls.pins"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := get(t, transport(t, config.Route{UpstreamCAFile: a.file(t), UpstreamTLS: config.UpstreamTLS{Pins: tt.pins}}), srv.URL)
			wantFault(t, err, tt.fault)
			if told := trouble(err); strings.Contains(told, "upstream_tls.pins") != (tt.fault != "") {
				t.Errorf("told: %q", told)
			}
		})
	}
	// A pin is no trust: the chain has to verify as well.
	_, _, err := get(t, transport(t, config.Route{UpstreamTLS: config.UpstreamTLS{Pins: []string{pin(a.cert)}}}), srv.URL)
	wantFault(t, err, "unknown authority")
}

func TestMinVersion(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	upTo := func(version uint16) string {
		return server(t, a, func(s *httptest.Server) { s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, version }).URL
	}
	old, usual := upTo(tls.VersionTLS11), upTo(tls.VersionTLS12)
	for _, tt := range []struct{ setting, url, fault string }{
		{"", usual, ""},
		{"1.2", usual, ""},
		{"1.3", usual, "protocol version"},
		{"", old, "protocol version"},
		{"1.2", old, "protocol version"},
	} {
		_, _, err := get(t, transport(t, config.Route{UpstreamCAFile: a.file(t), UpstreamTLS: config.UpstreamTLS{MinVersion: tt.setting}}), tt.url)
		wantFault(t, err, tt.fault)
	}
}

func TestClientCertificateIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	srv := server(t, a, func(s *httptest.Server) { s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, a.pool() })
	_, _, err := get(t, transport(t, config.Route{UpstreamCAFile: a.file(t)}), srv.URL)
	if err == nil { // which error depends on what comes first, the server's alert or our request
		t.Error("a server that requires a client certificate took a request without one")
	}

	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, a.pair(t, "first"))
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t), UpstreamTLS: config.UpstreamTLS{ClientCertFile: certFile, ClientKeyFile: keyFile}})
	tr.DisableKeepAlives = true // every request shakes hands
	seenAs := func(want string) {
		t.Helper()
		h, _, err := get(t, tr, srv.URL)
		wantFault(t, err, "")
		if got := h.Get("Client"); got != want {
			t.Errorf("the server saw %q, want %q", got, want)
		}
	}
	seenAs("first")
	second := a.pair(t, "the second")
	write(t, certFile, string(certtest.PEM(second.Leaf)))
	seenAs("first") // the key has not come yet
	writePair(t, dir, second)
	seenAs("the second")
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	seenAs("the second")
}

func TestPlaintextIsRefusedUnlessUnsafe(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	_, err := upstream.NewTransport(config.Route{Name: "r", Upstream: srv.URL}, timeouts, limits)
	wantFault(t, err, "unsafe_upstream_http")
	_, _, err = get(t, transport(t, config.Route{}), srv.URL)
	wantFault(t, err, "unsafe_upstream_http")
	_, _, err = get(t, transport(t, config.Route{Upstream: srv.URL, UnsafeUpstreamHTTP: true}), srv.URL)
	wantFault(t, err, "")
}

func TestT36_ReplyHeadersAreBounded(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	for _, http2 := range []bool{true, false} {
		srv := server(t, a, func(s *httptest.Server) {
			s.EnableHTTP2 = http2
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for i := range 100 {
					w.Header().Set("X-Filler-"+strings.Repeat("x", i+1), strings.Repeat("y", 10<<10))
				}
			})
		})
		_, _, err := get(t, transport(t, config.Route{UpstreamCAFile: a.file(t)}), srv.URL)
		if err == nil {
			t.Errorf("1 MB of headers passed a limit of 64 KiB (HTTP/2: %t)", http2)
		}
	}
}

// What was not asked for is not unpacked: a reply has to arrive as it was sent.
func TestNoCompressionIsAskedForBehindTheRequestsBack(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	srv := server(t, a, func(s *httptest.Server) {
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
		})
	})
	_, body, err := get(t, transport(t, config.Route{UpstreamCAFile: a.file(t)}), srv.URL)
	wantFault(t, err, "")
	if body != "" {
		t.Errorf("Accept-Encoding %q was added", body)
	}
}

func TestTimeoutsAreSettings(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	held := make(chan struct{})
	srv := server(t, a, func(s *httptest.Server) {
		s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held })
	})
	t.Cleanup(func() { close(held) })
	short := timeouts
	short.ResponseHeader = 50 * time.Millisecond
	tr, err := upstream.NewTransport(config.Route{UpstreamCAFile: a.file(t)}, short, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	_, _, err = get(t, tr, srv.URL)
	wantFault(t, err, "timeout")

	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never shakes hands
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	short.TLSHandshake = 50 * time.Millisecond
	tr, err = upstream.NewTransport(config.Route{}, short, limits)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = get(t, tr, "https://"+mute.Addr().String())
	wantFault(t, err, "TLS handshake timeout")
}

func TestMistakesNameTheSettingAndTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	absent, junk := filepath.Join(dir, "absent"), write(t, filepath.Join(dir, "junk"), "hunter2 without a colon")
	certFile, _ := writePair(t, t.TempDir(), newCA(t).pair(t, "one"))
	_, keyFile := writePair(t, t.TempDir(), newCA(t).pair(t, "two"))
	const proxy = "http://127.0.0.1:1"
	for name, tt := range map[string]struct {
		route config.Route
		says  []string
	}{
		"absent CA file":      {config.Route{UpstreamCAFile: absent}, []string{"upstream_ca_file", absent}},
		"junk CA file":        {config.Route{UpstreamCAFile: junk}, []string{"upstream_ca_file", junk}},
		"junk CA text":        {config.Route{UpstreamCA: "junk"}, []string{"upstream_ca", "no PEM"}},
		"pin of other length": {config.Route{UpstreamTLS: config.UpstreamTLS{Pins: []string{"AAAA"}}}, []string{"upstream_tls.pins[0]", "AAAA"}},
		"pin in hexadecimal":  {config.Route{UpstreamTLS: config.UpstreamTLS{Pins: []string{strings.Repeat("ab", 32)}}}, []string{"upstream_tls.pins[0]"}},
		"pin with loose bits": {config.Route{UpstreamTLS: config.UpstreamTLS{Pins: []string{strings.Repeat("A", 42) + "B="}}}, []string{"upstream_tls.pins[0]"}},
		"certificate alone":   {config.Route{UpstreamTLS: config.UpstreamTLS{ClientCertFile: certFile}}, []string{"client_key_file", "both"}},
		"key alone":           {config.Route{UpstreamTLS: config.UpstreamTLS{ClientKeyFile: keyFile}}, []string{"client_cert_file", "both"}},
		"absent key":          {config.Route{UpstreamTLS: config.UpstreamTLS{ClientCertFile: certFile, ClientKeyFile: absent}}, []string{"client_key_file", absent}},
		"pair that does not":  {config.Route{UpstreamTLS: config.UpstreamTLS{ClientCertFile: certFile, ClientKeyFile: keyFile}}, []string{"client_cert_file", certFile, keyFile}},
		"scheme":              {config.Route{Upstream: "ftp://h"}, []string{"upstream", "https://"}},
		"proxy scheme":        {config.Route{UpstreamProxy: "socks5://h:1"}, []string{"upstream_proxy", "socks5"}},
		"proxy without host":  {config.Route{UpstreamProxy: "127.0.0.1:3128"}, []string{"upstream_proxy"}},
		"proxy credentials":   {config.Route{UpstreamProxy: "http://u:hunter2@h:1"}, []string{"upstream_proxy_auth_file"}},
		"broken, with them":   {config.Route{UpstreamProxy: "http://u:hunter2@h:x"}, []string{"upstream_proxy"}},
		"absent proxy file":   {config.Route{UpstreamProxy: proxy, UpstreamProxyAuth: absent}, []string{"upstream_proxy_auth_file", absent}},
		"junk proxy file":     {config.Route{UpstreamProxy: proxy, UpstreamProxyAuth: junk}, []string{"upstream_proxy_auth_file", junk, "user:password"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := upstream.NewTransport(tt.route, timeouts, limits)
			for _, says := range tt.says {
				wantFault(t, err, says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v holds a secret", err)
			}
		})
	}
}
