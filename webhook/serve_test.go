package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/webhook"
)

// serving is a server on a port of its own.
type serving struct {
	client *http.Client
	base   string
	ln     *counted
	ended  chan error
	stop   func()
}

// counted is a listener that counts how often it is asked for a connection.
type counted struct {
	net.Listener
	times atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	l.times.Add(1)
	return l.Listener.Accept()
}

func serve(t *testing.T, s webhook.Server) *serving {
	t.Helper()
	pki := httptest.NewUnstartedServer(nil) // it has a certificate for 127.0.0.1
	pki.StartTLS()
	t.Cleanup(pki.Close)
	if s.Certificate == nil {
		s.Certificate = func() (*tls.Certificate, error) { return &pki.TLS.Certificates[0], nil }
	}
	s.Handler = webhook.NewHandler(func() *webhook.Settings { return settings(t) }, zerolog.Nop())
	s.Log = zerolog.Nop()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &counted{Listener: inner}
	pool := x509.NewCertPool()
	pool.AddCert(pki.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, stop := context.WithCancel(t.Context())
	v := &serving{client: &http.Client{Transport: transport}, base: "https://" + ln.Addr().String(), ln: ln, ended: make(chan error, 1), stop: stop}
	go func() { v.ended <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-v.ended; err != nil {
			t.Error(err)
		}
	})
	return v
}

func (v *serving) get(t *testing.T, path string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answered(v.client.Do(r))
}

func answered(resp *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestAReviewOverTLS(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base+"/pods?timeout=10s", strings.NewReader(asked("apps", podWith(""))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if code, body, err := answered(v.client.Do(r)); err != nil || code != http.StatusOK || !strings.Contains(body, `"patchType":"JSONPatch"`) {
		t.Errorf("%d, %v: %s", code, err, body)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	v := serve(t, webhook.Server{Ready: func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("not just yet")
	}})
	expect := func(path string, want int, text string) {
		t.Helper()
		if code, body, err := v.get(t, path); err != nil || code != want || !strings.Contains(body, text) {
			t.Errorf("%s: %d, %v: %s", path, code, err, body)
		}
	}
	expect("/healthz", http.StatusOK, "ok")
	expect("/readyz", http.StatusServiceUnavailable, "not just yet")
	ready.Store(true)
	expect("/readyz", http.StatusOK, "ok")
	expect("/else", http.StatusNotFound, "")
	expect("/pods", http.StatusBadRequest, "want POST")
}

func TestNothingIsAnsweredWithoutACertificate(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Certificate: func() (*tls.Certificate, error) { return nil, errors.New("none yet") }})
	if code, _, err := v.get(t, "/healthz"); err == nil {
		t.Errorf("status %d", code)
	}
}

func TestT74_ASlowRequestIsCut(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Timeout: time.Second})
	plain := v.client.Transport.(*http.Transport).Clone() // HTTP/1.1, in which the reason arrives
	plain.ForceAttemptHTTP2, plain.TLSClientConfig.NextProtos = false, nil
	t.Cleanup(plain.CloseIdleConnections)
	body, writer := io.Pipe()
	defer writer.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base+"/pods", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	code, text, err := answered((&http.Client{Transport: plain, Timeout: time.Minute}).Do(r))
	if err != nil || code != http.StatusBadRequest || !strings.Contains(text, "i/o timeout") {
		t.Errorf("%d, %v: %s", code, err, text)
	}
}

func TestT75_ConnectionsOverTheLimitWait(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Timeout: time.Minute})
	addr := strings.TrimPrefix(v.base, "https://")
	var idle []net.Conn
	for range 63 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	dialer := &tls.Dialer{Config: v.client.Transport.(*http.Transport).TLSClientConfig}
	last, err := dialer.DialContext(t.Context(), "tcp", addr) // TLS is spoken with it, so those before it are taken too
	if err != nil {
		t.Fatal(err)
	}
	idle = append(idle, last)
	if n := v.ln.times.Load(); n != 64 {
		t.Errorf("the listener was asked for a connection %d times while 64 are open, want 64", n)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	if code, _, err := v.get(t, "/healthz"); err != nil || code != http.StatusOK {
		t.Errorf("%d, %v once they are free", code, err)
	}
}
