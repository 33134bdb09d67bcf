package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/apierror"
	"sealcar/config"
	"sealcar/exchange"
	"sealcar/proxy"
)

const (
	routedHost = "ark.example.com"
	otherHost  = "ark2.example.com" // of the same route
	thirdHost  = "third.example.com"
	patience   = 20 * time.Second // for what must happen; generous, so that it decides nothing
)

// testConfig is a whole configuration on free ports, changed by change.
func testConfig(t *testing.T, change ...func(*config.Config)) *config.Config {
	t.Helper()
	c := &config.Config{
		Listen:       "127.0.0.1:0",
		AllowedHosts: []string{"sealcar.svc"},
		Admin:        config.Admin{Listen: "127.0.0.1:0"},
		StateDir:     t.TempDir(),
		Limits:       config.Limits{RequestBytes: 1 << 20, ReplyBytes: 1 << 20, EventBytes: 1 << 20, StreamBytes: 1 << 30, HeaderBytes: 1 << 16},
		Timeouts: config.Timeouts{
			Drain: patience, ReadHeader: patience, ReadBody: patience, Idle: patience, Dial: patience,
			TLSHandshake: patience, ResponseHeader: patience, StreamIdle: patience, Certificate: patience,
		},
		Routes: []config.Route{
			{Name: "ark", Hosts: []string{routedHost, otherHost}, BasePaths: []config.BasePath{{From: "/v1", To: "/api/v3"}}},
			{Name: "third", Hosts: []string{thirdHost}, BasePaths: []config.BasePath{{From: "/third", To: "/up"}}},
		},
		Interception: config.Interception{NameConstraints: true, CALifetime: 1000 * time.Hour, CARotateBefore: time.Hour, LeafLifetime: 24 * time.Hour},
		Egress:       config.Egress{Default: "tunnel", Addresses: "auto"},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// rig is a running proxy.
type rig struct {
	*proxy.Proxy
	t    *testing.T
	log  *logBuffer
	stop func() error // ends Run and gives its error
}

// start runs a proxy whose routes are all carried by rt.
func start(t *testing.T, rt http.RoundTripper, c *config.Config, change ...func(*proxy.Options)) *rig {
	t.Helper()
	r := &rig{t: t, log: new(logBuffer)}
	o := proxy.Options{
		Config: c,
		Protocol: func(*config.Config, config.Route) (*proxy.Protocol, error) {
			return &proxy.Protocol{RoundTripper: rt}, nil
		},
		Log:     zerolog.New(r.log),
		Version: "test",
		Getenv:  func(string) string { return "" },
	}
	for _, f := range change {
		f(&o)
	}
	p, err := proxy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Proxy = p
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// url is a URL on the data port.
func (r *rig) url(path string) string { return "http://" + r.Addr().String() + path }

// roots trusts the rig's CA alone.
func (r *rig) roots() *x509.CertPool {
	r.t.Helper()
	pem, err := os.ReadFile(r.CAFiles().CA)
	if err != nil {
		r.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		r.t.Fatal("ca.crt holds no certificate")
	}
	return pool
}

// client goes through the rig as a proxy and trusts its CA.
func (r *rig) client() *http.Client {
	r.t.Helper()
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: r.Addr().String()}),
		TLSClientConfig:    &tls.Config{RootCAs: r.roots()},
		DisableCompression: true,
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// raw is a bare connection with a reader on it.
type raw struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// dial connects to the data port and sends text.
func (r *rig) dial(text string) *raw {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &raw{Conn: conn, t: r.t, r: bufio.NewReader(conn)}
	c.send(text)
	return c
}

// connect opens a CONNECT to target and expects it established.
func (r *rig) connect(target string) *raw {
	r.t.Helper()
	c := r.dial("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n")
	c.established()
	return c
}

func (c *raw) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// Read reads behind what was buffered.
func (c *raw) Read(b []byte) (int, error) { return c.r.Read(b) }

func (c *raw) established() {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("CONNECT: %s %s", resp.Status, body)
	}
}

// response reads one response and its body.
func (c *raw) response() (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodPost})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, string(body)
}

// ended expects the connection to end without another byte.
func (c *raw) ended() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Fatalf("the connection goes on with %q", b)
	}
}

// refusedWith checks an error document of sealcar's own.
func refusedWith(t *testing.T, resp *http.Response, body string, status int, code string) {
	t.Helper()
	var doc struct {
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%s with no error document: %q", resp.Status, body)
	}
	if resp.StatusCode != status || doc.Error.Code != code || doc.Error.Type != apierror.Type || doc.Error.Message == "" {
		t.Errorf("got %s %+v, want %d with code %s", resp.Status, doc.Error, status, code)
	}
}

// seen is a request as it reached the protocol of a route.
type seen struct {
	Method, URL, Host, Body string
	Header                  http.Header
}

// recorder is a protocol that records what it carries.
type recorder struct {
	mu    sync.Mutex
	seen  []seen
	reply func(*http.Request) (*http.Response, error) // nil: 200 with a small JSON body
}

func (s *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	header := r.Header.Clone()
	for name := range r.Trailer {
		header.Add("Trailer", name)
	}
	s.mu.Lock()
	s.seen = append(s.seen, seen{Method: r.Method, URL: r.URL.String(), Host: r.Host, Body: string(body), Header: header})
	s.mu.Unlock()
	exchange.From(r.Context()).Treatment = exchange.Sealed
	if s.reply != nil {
		return s.reply(r)
	}
	return answer(http.StatusOK, "application/json", strings.NewReader(`{"ok":true}`)), nil
}

func (s *recorder) all() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.seen...)
}

// forget starts the recording anew.
func (s *recorder) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// only is the one request that was carried.
func (s *recorder) only(t *testing.T) seen {
	t.Helper()
	all := s.all()
	if len(all) != 1 {
		t.Fatalf("%d requests reached the protocol, want 1: %+v", len(all), all)
	}
	return all[0]
}

func answer(status int, contentType string, body io.Reader) *http.Response {
	rc, ok := body.(io.ReadCloser)
	if !ok {
		rc = io.NopCloser(body)
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}}, Body: rc, ContentLength: -1,
	}
}

// overHTTP is a protocol that sends every request to a server of the test, read
// whole first as protocols do: else a reply may be cut when the transport sees the
// application's body end late (golang/go#40747).
type overHTTP struct{ server *httptest.Server }

func (o overHTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	u, err := url.Parse(o.server.URL)
	if err != nil {
		return nil, err
	}
	out.URL.Scheme, out.URL.Host = u.Scheme, u.Host
	return o.server.Client().Transport.RoundTrip(out)
}

// newServer is a server of the test, closed at its end whatever hangs.
func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// logBuffer is what the proxy logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// line waits for a line of the log whose fields are as in want.
func (l *logBuffer) line(t *testing.T, want map[string]any) map[string]any {
	t.Helper()
	var found map[string]any
	eventually(t, func() bool {
		for text := range strings.Lines(l.String()) {
			var line map[string]any
			if json.Unmarshal([]byte(text), &line) == nil && contains(line, want) {
				found = line
				return true
			}
		}
		return false
	}, func() string { return "no line with " + mustJSON(want) + " in\n" + l.String() })
	return found
}

func contains(line, want map[string]any) bool {
	for k, v := range want {
		if line[k] != v {
			return false
		}
	}
	return true
}

func mustJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// eventually waits for ok, and fails with what says if it never comes.
func eventually(t *testing.T, ok func() bool, says func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal(says())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// get reads a URL whole.
func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, req)
}

func do(t *testing.T, c *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
