package enclave_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sealcar/enclave"
)

const shortChat = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

func TestT84_RequestsOverTheEnclavesLimitAreRefused(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	e := start(t, enclave.Options{AcceptPlaintext: true, MaxRequests: 1, TapBackend: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			if held.CompareAndSwap(false, true) {
				close(reached)
				<-release
			}
			return next.RoundTrip(req)
		})
	}})
	first := make(chan reply, 1)
	go func() { first <- e.post(t, chatPath, shortChat) }()
	<-reached
	got := e.post(t, chatPath, shortChat)
	if code := errorCode(t, got); got.StatusCode != http.StatusServiceUnavailable || code != "too_many_requests" || got.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %s, headers %v", got.StatusCode, got.body, got.Header)
	}
	if got := e.do(t, e.request(t, http.MethodGet, "/healthz", "")); got.StatusCode != http.StatusOK {
		t.Errorf("a full enclave's probe gets %d", got.StatusCode)
	}
	close(release)
	if got := <-first; got.StatusCode != http.StatusOK {
		t.Errorf("the first gets %d: %s", got.StatusCode, got.body)
	}
	if got := e.post(t, chatPath, shortChat); got.StatusCode != http.StatusOK {
		t.Errorf("when there is a place again: %d: %s", got.StatusCode, got.body)
	}
}

func TestT84_BodiesOverTheEnclavesBudgetAreRefused(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32 // at the backend, which has a budget of its own
	e := start(t, enclave.Options{BufferedBytes: 64 << 10, TapBackend: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			arrived.Add(1)
			return next.RoundTrip(req)
		})
	}})
	chat := e.seal(t, "", strings.Repeat(canary, 2<<10))
	got := e.send(t, chatPath, chat)
	if code := errorCode(t, got); got.StatusCode != http.StatusRequestEntityTooLarge || code != "request_too_large" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
	if n := arrived.Load(); n != 0 {
		t.Errorf("%d requests reached the backend", n)
	}
	if text := string(got.body); strings.Contains(text, "limits.") || !strings.Contains(text, "memory limit") {
		t.Errorf("the enclave names a setting that it does not have: %s", text)
	}
	for range 4 { // what one took is given back
		if got := e.send(t, chatPath, e.seal(t, "", canary)); got.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", got.StatusCode, got.body)
		}
	}
}

// The echo is a server of its own, so what it reads is held beside what was opened.
func TestT84_BodiesOfTheEchoAreInsideTheEnclavesBudget(t *testing.T) {
	t.Parallel()
	large := strings.Replace(shortChat, "hi", strings.Repeat("x", 9<<10), 1) // a quarter of the echo's half would be 8 KiB
	e := start(t, enclave.Options{AcceptPlaintext: true, BufferedBytes: 64 << 10, TapBackend: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			req.Body, req.ContentLength = io.NopCloser(strings.NewReader(large)), int64(len(large))
			return next.RoundTrip(req)
		})
	}})
	got := e.post(t, chatPath, shortChat)
	if code := errorCode(t, got); got.StatusCode != http.StatusRequestEntityTooLarge || code != "request_too_large" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

// asked is a listener that counts how often it is asked for a connection.
type asked struct {
	net.Listener
	times atomic.Int64
}

func (l *asked) Accept() (net.Conn, error) {
	l.times.Add(1)
	return l.Listener.Accept()
}

func TestT75_ConnectionsOverTheEnclavesLimitWait(t *testing.T) {
	t.Parallel()
	o := enclave.Options{StateDir: filepath.Join(t.TempDir(), "state"), Backend: enclave.BackendEcho, MaxConnections: 1}
	s, err := enclave.New(o)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &asked{Listener: inner}
	r := serve(t, s, o, ln)
	first := handshake(t, r)
	if n := ln.times.Load(); n != 1 {
		t.Errorf("the listener was asked %d times while the one connection was open", n)
	}
	_ = first.Close()
	_ = handshake(t, r).Close()
}

// handshake opens a connection of its own, as far as TLS.
func handshake(t *testing.T, r *running) net.Conn {
	t.Helper()
	transport, ok := r.client.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the client goes through a %T", r.client.Transport)
	}
	d := tls.Dialer{Config: transport.TLSClientConfig.Clone()}
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
