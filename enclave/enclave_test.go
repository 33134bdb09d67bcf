package enclave_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sealcar/enclave"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generous bounds what a test waits for; no test waits for it to pass.
const generous = 30 * time.Second

// running is an enclave that serves on loopback until the test ends.
type running struct {
	server *enclave.Server
	url    string
	dir    string
	apiKey string
	client *http.Client
	stop   func() error // ends Serve and gives its error; once
}

// start runs an enclave on the echo backend, unless o says otherwise.
func start(t *testing.T, o enclave.Options) *running {
	t.Helper()
	if o.StateDir == "" {
		o.StateDir = filepath.Join(t.TempDir(), "state")
	}
	if o.Backend == "" {
		o.Backend = enclave.BackendEcho
	}
	s, err := enclave.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, s, o, ln)
}

// serve runs s, which o made, on ln.
func serve(t *testing.T, s *enclave.Server, o enclave.Options, ln net.Listener) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	r := &running{
		server: s,
		url:    "https://" + ln.Addr().String(),
		dir:    o.StateDir,
		apiKey: readFile(t, o.StateDir, "api-key"),
		client: client(t, o.StateDir, o.Now),
		stop:   sync.OnceValue(func() error { cancel(); return <-ended }),
	}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		if err := r.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// client trusts the enclave's TLS CA and nothing else, at the enclave's time.
func client(t *testing.T, dir string, now func() time.Time) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(readFile(t, dir, "tls-ca.pem"))) {
		t.Fatal("tls-ca.pem holds no certificate")
	}
	return &http.Client{Timeout: generous, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: now},
		ForceAttemptHTTP2: true,
	}}
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// reply is a response that was read to its end.
type reply struct {
	*http.Response
	body []byte
	err  error // of reading the body
}

func (r *running) request(t *testing.T, method, path, body string, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.apiKey)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

func (r *running) do(t *testing.T, req *http.Request) reply {
	t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp, body, err}
}

func (r *running) post(t *testing.T, path, body string, header ...string) reply {
	t.Helper()
	return r.do(t, r.request(t, http.MethodPost, path, body, header...))
}

func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	return v
}

// errorCode is the code of an error document, which has to be one.
func errorCode(t *testing.T, r reply) string {
	t.Helper()
	d := decode[struct {
		Error struct{ Code, Message, Type string }
	}](t, r.body)
	if d.Error.Message == "" || d.Error.Type == "" {
		t.Errorf("the error has no message or no type: %s", r.body)
	}
	return d.Error.Code
}

const chatPath = "/api/v3/chat/completions"

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
