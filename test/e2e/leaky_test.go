package e2e_test

import (
	"bufio"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sealcar/test/process"
)

// leaky is a sidecar at debug level with every kind of secret, and with peers
// that repeat in their errors whatever they were told.
type leaky struct {
	*ends
	marks canaries

	mu     sync.Mutex
	bodies map[string]string // of sealcar's own errors, by what was sent
}

// startLeaky runs it. Its routes: ark is in order; echoing has an upstream that
// repeats requests in its errors; proxied an egress proxy that does; keyed an AK
// and SK that the control plane does not know.
func startLeaky(t *testing.T) *leaky {
	t.Helper()
	l := &leaky{ends: startEnclave(t), bodies: map[string]string{}, marks: newCanaries(
		"prompt", "app key", "wrong key", "access key", "secret key", "security token", "proxy password", "query", "cookie", "path", "bytes in a tunnel",
	)}
	l.marks.add("enclave's key", l.key)
	l.dir = t.TempDir()
	for name, text := range map[string]string{
		"ak": l.marks.word("access key"), "sk": l.marks.word("secret key"), "token": l.marks.word("security token"),
		"auth": "user:" + l.marks.word("proxy password"), "wrong": l.marks.word("wrong key"), "right": l.key,
	} {
		l.write(t, name, text)
	}
	upstream := httptest.NewTLSServer(http.HandlerFunc(repeat))
	t.Cleanup(upstream.Close)
	l.write(t, "upstream.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw})))
	l.config = l.write(t, "sealcar.yaml", l.settings(upstream.URL, refusingProxy(t)))
	l.sidecar = process.Start(t, sealcar, nil, "run", "--config", l.config)
	l.addr, _ = l.sidecar.AwaitKey(t, "listen")["listen"].(string)
	l.admin, _ = l.sidecar.AwaitKey(t, "admin")["admin"].(string)
	return l
}

func (l *leaky) settings(upstream, proxy string) string {
	return strings.NewReplacer("ENCLAVE", l.upstream, "KEYS", l.state, "DIR", l.dir, "UPSTREAM", upstream, "PROXY", proxy).Replace(`
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
state_dir: DIR/state
log: {level: debug, format: json}
timeouts: {certificate: 2s}
routes:
  - name: ark
    hosts: [` + arkHost + `]
    upstream: https://ENCLAVE
    upstream_ca_file: KEYS/tls-ca.pem
    certificate: {source: api-key, roots: KEYS/roots.pem}
  - name: echoing
    hosts: [echoing.example]
    base_paths: []
    upstream: UPSTREAM
    upstream_ca_file: DIR/upstream.pem
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
  - name: asking
    hosts: [asking.example]
    base_paths: []
    upstream: UPSTREAM
    upstream_ca_file: DIR/upstream.pem
    certificate: {source: api-key, roots: KEYS/roots.pem}
  - name: untrusted
    hosts: [untrusted.example]
    base_paths: []
    upstream: UPSTREAM
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
  - name: proxied
    hosts: [proxied.example]
    base_paths: []
    upstream_proxy: PROXY
    upstream_proxy_auth_file: DIR/auth
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
  - name: keyed
    hosts: [keyed.example]
    base_paths: []
    upstream: UPSTREAM
    upstream_ca_file: DIR/upstream.pem
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
    credentials: {source: openapi, host: "` + "127.0.0.1:1" + `", access_key_file: DIR/ak, secret_key_file: DIR/sk, security_token_file: DIR/token}
`)
}

func (l *leaky) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// repeat answers with an error that holds the request, as it is and encoded.
func repeat(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	told := fmt.Sprint(r.URL, r.Header, string(body))
	for name, values := range r.Header {
		w.Header()["X-Echo-"+name] = values
	}
	if r.Header.Get("X-Html") != "" {
		w.Header().Set("Content-Type", "text/html; told="+url.QueryEscape(told))
	}
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, "<html>%s %s</html>", told, base64.StdEncoding.EncodeToString([]byte(told)))
}

// refusingProxy is an egress proxy that repeats the credentials: in the reason
// of its refusal, in a header and in the body, and every other time in place of
// a status.
func refusingProxy(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				auth := req.Header.Get("Proxy-Authorization")
				status := "407 who is " + auth
				if n%2 > 0 {
					status = strings.ReplaceAll(auth, " ", "")
				}
				_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nX-Auth: %s\r\nContent-Length: %d\r\n\r\n%s", status, auth, len(auth), auth)
			}
			_ = c.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

// send sends a request for a routed host and keeps sealcar's own error, if that
// is the answer.
func (l *leaky) send(t *testing.T, name, host, body string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + l.marks.word("app key")}, "Cookie": {"c=" + l.marks.word("cookie")}}
	maps.Copy(req.Header, header)
	resp, err := l.client(t).Do(req)
	if err != nil {
		l.keep(name, err.Error())
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 400 {
		l.keep(name, fmt.Sprint(resp.Status, resp.Header, string(text)))
	}
}

func (l *leaky) keep(name, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bodies[name] = text
}

// raw sends bytes to the data port and keeps what comes back.
func (l *leaky) raw(t *testing.T, name, text string) {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, text)
	_ = c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	l.keep(name, string(answer))
}
