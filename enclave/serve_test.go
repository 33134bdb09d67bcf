package enclave_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/enclave"
)

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
