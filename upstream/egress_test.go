package upstream_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/config"
)

// connectProxy is a small CONNECT proxy that wants credentials.
type connectProxy struct {
	want string // of Proxy-Authorization

	mu      sync.Mutex
	targets []string
	tunnels sync.WaitGroup
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Proxy-Authorization") != p.want {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	p.mu.Lock()
	p.targets = append(p.targets, r.Host)
	p.mu.Unlock()
	there, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, "no way", http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	p.mu.Lock() // so that who waits for the tunnels waits for these
	defer p.mu.Unlock()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		p.tunnels.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_, _ = way[0].Close(), way[1].Close()
		})
	}
}

func (p *connectProxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets
}

// start serves p in clear or, with a CA, over TLS.
func (p *connectProxy) start(t *testing.T, a *ca) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(p)
	srv.Config.ErrorLog = silent()
	if a == nil {
		srv.Start()
	} else {
		srv.TLS = server(t, a).TLS.Clone()
		srv.TLS.NextProtos = []string{"http/1.1"}
		srv.StartTLS()
	}
	t.Cleanup(func() {
		srv.Close()
		p.seen() // a handler that is opening a tunnel holds the lock
		p.tunnels.Wait()
	})
	return srv
}

func TestEgressProxyIsUsed(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	auth := write(t, filepath.Join(t.TempDir(), "auth"), "user:pass:word\n")
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass:word"))
	for name, proxyCA := range map[string]*ca{"http": nil, "https": a} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server(t, a)
			proxy := &connectProxy{want: want}
			route := config.Route{
				UpstreamCAFile: a.file(t), UpstreamProxy: proxy.start(t, proxyCA).URL, UpstreamProxyAuth: auth,
				// The pin is the upstream's alone: it must not be looked for at the proxy.
				UpstreamTLS: config.UpstreamTLS{Pins: []string{pin(srv.TLS.Certificates[0].Leaf)}},
			}
			tr := transport(t, route)
			t.Cleanup(tr.CloseIdleConnections) // before the proxy waits for its tunnels
			_, body, err := get(t, tr, srv.URL)
			wantFault(t, err, "")
			if body != "HTTP/2.0" {
				t.Errorf("protocol %q, want HTTP/2.0 through the tunnel", body)
			}
			if got := proxy.seen(); len(got) != 1 || "https://"+got[0] != srv.URL {
				t.Errorf("the proxy saw %q, want %q", got, srv.URL)
			}
		})
	}
}

func TestEgressProxyThatRefuses(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	proxy := &connectProxy{want: "Basic other"}
	srv := proxy.start(t, nil)
	auth := write(t, filepath.Join(t.TempDir(), "auth"), "user:hunter2")
	_, _, err := get(t, transport(t, config.Route{UpstreamProxy: srv.URL, UpstreamProxyAuth: auth}), server(t, a).URL)
	wantFault(t, err, "Proxy Authentication Required")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v holds a secret", err)
	}
	srv.Close()
	_, _, err = get(t, transport(t, config.Route{UpstreamProxy: srv.URL, UpstreamProxyAuth: auth}), server(t, a).URL)
	wantFault(t, err, "proxyconnect")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v holds a secret", err)
	}
}

// TestT64_WordsOfAnEgressProxyAreNotRepeated has one that quotes what it was told
// in the reason of its refusal.
func TestT64_WordsOfAnEgressProxyAreNotRepeated(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = fmt.Fprintf(c, "HTTP/1.1 403 not with %s\r\n\r\n", r.Header.Get("Proxy-Authorization"))
	}))
	t.Cleanup(srv.Close)
	auth := write(t, filepath.Join(t.TempDir(), "auth"), "user:hunter2")
	_, _, err := get(t, transport(t, config.Route{UpstreamProxy: srv.URL, UpstreamProxyAuth: auth}), server(t, a).URL)
	wantFault(t, err, "upstream_proxy answered the CONNECT with 403 Forbidden")
	if strings.Contains(err.Error(), "not with") {
		t.Errorf("%v holds the proxy's words", err)
	}
}

func TestEgressProxyOverTLSIsVerified(t *testing.T) {
	t.Parallel()
	proxy := new(connectProxy)
	srv := proxy.start(t, newCA(t))
	_, _, err := get(t, transport(t, config.Route{UpstreamProxy: srv.URL}), "https://localhost:1")
	wantFault(t, err, "TLS to upstream_proxy")
	if n := len(proxy.seen()); n != 0 {
		t.Errorf("%d requests reached a proxy that is not trusted", n)
	}
}

// The sidecar's own environment may name the sidecar: it would call itself.
func TestEnvironmentNamesNoProxy(t *testing.T) {
	proxy := new(connectProxy)
	url := proxy.start(t, nil).URL
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, url)
	}
	tr := transport(t, config.Route{})
	if tr.Proxy != nil {
		t.Error("a proxy function is set without upstream_proxy")
	}
	_, _, err := get(t, tr, "https://sealcar.invalid")
	if err == nil || len(proxy.seen()) != 0 {
		t.Errorf("%v; the proxy saw %q", err, proxy.seen())
	}
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }
