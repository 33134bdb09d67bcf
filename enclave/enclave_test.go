package enclave_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"sealcar/enclave"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generous bounds what a test waits for; no test waits for it to pass.
const generous = 30 * time.Second

// running is an enclave that serves on loopback until the test ends.
type running struct {
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
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	r := &running{
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

func TestRoutesAndCredentials(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true})
	const chat = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	tests := map[string]struct {
		method, path, body, authorization string
		status                            int
		code                              string
	}{
		"chat":                     {"POST", chatPath, chat, "Bearer " + e.apiKey, 200, ""},
		"batch chat":               {"POST", "/api/v3/batch/chat/completions", chat, "Bearer " + e.apiKey, 200, ""},
		"scheme in another case":   {"POST", chatPath, chat, "bearer " + e.apiKey, 200, ""},
		"chat without key":         {"POST", chatPath, chat, "", 401, "AuthenticationError"},
		"chat with another key":    {"POST", chatPath, chat, "Bearer sk-enclave-WRONG", 401, "AuthenticationError"},
		"chat with half the key":   {"POST", chatPath, chat, "Bearer " + e.apiKey[:20], 401, "AuthenticationError"},
		"chat with another scheme": {"POST", chatPath, chat, "Basic " + e.apiKey, 401, "AuthenticationError"},
		"chat with an empty key":   {"POST", chatPath, chat, "Bearer ", 401, "AuthenticationError"},
		"chat by GET":              {"GET", chatPath, "", "Bearer " + e.apiKey, 404, "NotFound"},
		"models":                   {"GET", "/api/v3/models", "", "Bearer " + e.apiKey, 200, ""},
		"model":                    {"GET", "/api/v3/models/echo", "", "Bearer " + e.apiKey, 200, ""},
		"unknown model":            {"GET", "/api/v3/models/gpt", "", "Bearer " + e.apiKey, 404, "model_not_found"},
		"models without key":       {"GET", "/api/v3/models", "", "", 401, "AuthenticationError"},
		"responses":                {"POST", "/api/v3/responses", chat, "Bearer " + e.apiKey, 404, "NotFound"},
		"embeddings":               {"POST", "/api/v3/embeddings", chat, "Bearer " + e.apiKey, 404, "NotFound"},
		"the backend's own path":   {"POST", "/v1/chat/completions", chat, "Bearer " + e.apiKey, 404, "NotFound"},
		"health":                   {"GET", "/healthz", "", "", 200, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := e.do(t, e.request(t, tc.method, tc.path, tc.body, "Authorization", tc.authorization))
			if got.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", got.StatusCode, tc.status, got.body)
			}
			if tc.authorization == "" && tc.status == http.StatusUnauthorized && !strings.Contains(string(got.body), "send Authorization: Bearer KEY") {
				t.Errorf("the answer does not say what to do: %s", got.body)
			}
			if tc.code != "" && errorCode(t, got) != tc.code {
				t.Errorf("code of %s, want %s", got.body, tc.code)
			}
		})
	}
}

func TestPlaintextIsRefusedByDefault(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	got := e.post(t, chatPath, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	if got.StatusCode != http.StatusBadRequest || errorCode(t, got) != "not_sealed" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

func TestSpeaksBothVersionsOfHTTP(t *testing.T) {
	t.Parallel()
	plain := start(t, enclave.Options{})
	tapped := start(t, enclave.Options{Tap: func(c net.Conn) net.Conn { return c }})
	if got := plain.do(t, plain.request(t, http.MethodGet, "/healthz", "")); got.ProtoMajor != 2 {
		t.Errorf("%s, want HTTP/2", got.Proto)
	}
	if got := tapped.do(t, tapped.request(t, http.MethodGet, "/healthz", "")); got.ProtoMajor != 1 {
		t.Errorf("tapped: %s, want HTTP/1.1", got.Proto)
	}
}

// tape is a connection that keeps what passes.
type tape struct {
	net.Conn
	mu      sync.Mutex
	in, out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.Write(p[:n])
	return n, err
}

func (c *tape) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Write(p)
	return c.Conn.Write(p)
}

func TestTapSeesInsideTLS(t *testing.T) {
	t.Parallel()
	tapes := make(chan *tape, 1)
	e := start(t, enclave.Options{Tap: func(c net.Conn) net.Conn {
		tp := &tape{Conn: c}
		tapes <- tp
		return tp
	}})
	e.do(t, e.request(t, http.MethodGet, "/healthz", ""))
	tp := <-tapes
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if in, out := tp.in.String(), tp.out.String(); !strings.HasPrefix(in, "GET /healthz HTTP/1.1\r\n") || !strings.HasPrefix(out, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("the tap saw %q and %q", in, out)
	}
}

func TestClientRequestIDIsAnswered(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	for _, tc := range []struct{ sent, want string }{
		{"20261121-abc", "20261121-abc"},
		{"", ""}, // one is made
		{strings.Repeat("x", 1000), ""},
	} {
		got := e.do(t, e.request(t, http.MethodGet, "/healthz", "", "X-Client-Request-Id", tc.sent)).Header.Get("X-Client-Request-Id")
		if got == "" || len(got) > 128 || tc.want != "" && got != tc.want {
			t.Errorf("sent %.20q, got %q", tc.sent, got)
		}
	}
}

// syncBuffer takes log lines from the server's goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func TestLogsOneLineARequestAndNoContent(t *testing.T) {
	t.Parallel()
	var lines syncBuffer
	e := start(t, enclave.Options{AcceptPlaintext: true, Log: zerolog.New(&lines)})
	e.post(t, chatPath, `{"model":"log-model","stream":true,"messages":[{"role":"user","content":"canary-4711"}]}`, "X-Client-Request-Id", "id-1")
	e.post(t, chatPath, `{"model":"`+strings.Repeat("m", 1<<20)+`","messages":[{"role":"user","content":"canary-4711"}]}`)
	e.post(t, chatPath, `{"model":"m"}`, "Authorization", "Bearer wrong-4711")
	e.do(t, e.request(t, http.MethodGet, "/healthz", ""))
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	log := lines.b.String()
	got := strings.Split(strings.TrimSpace(log), "\n")
	if len(got) != 4 || len(log) > 4096 {
		t.Fatalf("%d lines, want 4, and %d bytes: %.4096s", len(got), len(log), log)
	}
	first := decode[map[string]any](t, []byte(got[0]))
	for key, want := range map[string]any{
		"id": "id-1", "endpoint": "POST " + chatPath, "model": "log-model",
		"treatment": "plaintext", "status": 200.0,
	} {
		if first[key] != want {
			t.Errorf("%s is %v, want %v", key, first[key], want)
		}
	}
	if refused := decode[map[string]any](t, []byte(got[2])); refused["status"] != 401.0 || refused["treatment"] != "refused" {
		t.Errorf("third line: %v", refused)
	}
	if health := decode[map[string]any](t, []byte(got[3])); health["status"] != 200.0 || health["treatment"] != "no_content" {
		t.Errorf("fourth line: %v", health)
	}
	for _, secret := range []string{"canary-4711", "wrong-4711", e.apiKey} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestServeDrainsOpenStreams(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	e := start(t, enclave.Options{AcceptPlaintext: true, TapBackend: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			close(reached)
			<-release
			return next.RoundTrip(req)
		})
	}})
	done := make(chan reply, 1)
	go func() {
		done <- e.post(t, chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	}()
	<-reached
	stopped := make(chan error, 1)
	go func() { stopped <- e.stop() }()
	refusesConnections(t, e)
	close(release)
	if got := <-done; got.StatusCode != http.StatusOK || !bytes.HasSuffix(got.body, []byte("data: [DONE]\n\n")) {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// refusesConnections waits until the listener is closed.
func refusesConnections(t *testing.T, e *running) {
	t.Helper()
	for deadline := time.Now().Add(generous); time.Now().Before(deadline); {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "https://"))
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Error("the listener is still open")
}

func TestServeCutsWhatDoesNotDrain(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	e := start(t, enclave.Options{AcceptPlaintext: true, Drain: time.Millisecond, TapBackend: func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			close(reached)
			<-req.Context().Done() // a backend that never answers
			return nil, req.Context().Err()
		})
	}})
	failed := make(chan error, 1)
	req := e.request(t, http.MethodPost, chatPath, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	go func() {
		resp, err := e.client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		failed <- err
	}()
	<-reached
	if err := e.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-failed; err == nil || isTimeout(err) {
		t.Errorf("got %v, want a cut connection", err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	t.Parallel()
	s, err := enclave.New(enclave.Options{StateDir: filepath.Join(t.TempDir(), "state"), Backend: enclave.BackendEcho})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// TestT74_SlowBodyIsCutOff sends half a body and waits for the enclave to give
// up on the rest.
func TestT74_SlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true, ReadRequest: 10 * time.Millisecond})
	body, feed := io.Pipe()
	defer feed.Close()
	go func() { _, _ = io.WriteString(feed, `{"model":"m",`) }()
	req := e.request(t, http.MethodPost, chatPath, "")
	req.Body, req.ContentLength = body, -1
	resp, err := e.client.Do(req)
	if isTimeout(err) {
		t.Fatalf("the client gave up first: %v", err)
	}
	if err != nil {
		return // cut without an answer
	}
	defer resp.Body.Close()
	if resp.StatusCode < http.StatusBadRequest {
		t.Errorf("status %d for half a body", resp.StatusCode)
	}
}

// isTimeout says that it was the client that gave up.
func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// TestReadTimeoutEndsWithTheRequest streams for longer than a request may take.
func TestReadTimeoutEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	const perWord = 20 * time.Millisecond
	for name, tap := range map[string]func(net.Conn) net.Conn{"HTTP/2": nil, "HTTP/1.1": func(c net.Conn) net.Conn { return c }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, enclave.Options{AcceptPlaintext: true, ReadRequest: 5 * perWord, EchoDelay: perWord, Tap: tap})
			got := e.post(t, chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"`+strings.Repeat("a ", 20)+`"}]}`)
			if got.err != nil || !bytes.HasSuffix(got.body, []byte("data: [DONE]\n\n")) {
				t.Errorf("%v: %s", got.err, got.body)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
