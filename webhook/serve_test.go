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
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/webhook"
)

// serving is a server on a port of its own.
type serving struct {
	client *http.Client
	base   string // of reviews
	probes string
	ended  chan error
	stop   func()
	ln     *counted
}

// counted is a listener that counts how often it is asked for a connection.
type counted struct {
	net.Listener
	times atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	c.times.Add(1)
	return c.Listener.Accept()
}

func serve(t *testing.T, s webhook.Server) *serving {
	t.Helper()
	pki := httptest.NewUnstartedServer(nil) // it has a certificate for 127.0.0.1
	pki.StartTLS()
	t.Cleanup(pki.Close)
	if s.Certificate == nil {
		s.Certificate = func() (*tls.Certificate, error) { return &pki.TLS.Certificates[0], nil }
	}
	if s.Handler == nil {
		s.Handler = webhook.NewHandler(webhook.Options{Settings: func() *webhook.Settings { return settings(t) }, Log: zerolog.Nop()})
	}
	s.Log = zerolog.Nop()
	ln, admin := &counted{Listener: listen(t)}, listen(t)
	pool := x509.NewCertPool()
	pool.AddCert(pki.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, stop := context.WithCancel(t.Context())
	v := &serving{client: &http.Client{Transport: transport}, base: "https://" + ln.Addr().String(), probes: "http://" + admin.Addr().String(), ended: make(chan error, 1), stop: stop, ln: ln}
	go func() { v.ended <- s.Serve(ctx, ln, admin) }()
	t.Cleanup(func() {
		stop()
		if err := <-v.ended; err != nil {
			t.Error(err)
		}
	})
	return v
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func (v *serving) get(t *testing.T, url string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
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
	expect := func(url string, want int, text string) {
		t.Helper()
		if code, body, err := v.get(t, url); err != nil || code != want || !strings.Contains(body, text) {
			t.Errorf("%s: %d, %v: %s", url, code, err, body)
		}
	}
	expect(v.probes+"/healthz", http.StatusOK, "ok")
	expect(v.probes+"/readyz", http.StatusServiceUnavailable, "not just yet")
	ready.Store(true)
	expect(v.probes+"/readyz", http.StatusOK, "ok")
	expect(v.probes+"/pods", http.StatusNotFound, "")
	expect(v.base+"/readyz", http.StatusNotFound, "")
	expect(v.base+"/pods", http.StatusBadRequest, "want POST")
}

// A kubelet makes an Event of a probe that leads to another host.
func TestWhatIsOutdatedIsAnEvent(t *testing.T) {
	t.Parallel()
	var ready, outdated atomic.Bool
	v := serve(t, webhook.Server{
		Ready: func() error {
			if ready.Load() {
				return nil
			}
			return errors.New("not just yet")
		},
		Outdated: func() string {
			if outdated.Load() {
				return "the new settings are wrong"
			}
			return ""
		},
	})
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	expect := func(path string, want int, text string) {
		t.Helper()
		if code, body, err := v.get(t, v.probes+path); err != nil || code != want || strings.TrimSpace(body) != text {
			t.Errorf("%s: %d, %v: %q", path, code, err, body)
		}
	}
	outdated.Store(true)
	expect("/readyz?kubelet", http.StatusServiceUnavailable, "not just yet") // first things first
	ready.Store(true)
	expect("/readyz?kubelet", http.StatusFound, "the new settings are wrong")
	expect("/readyz", http.StatusOK, "ok")
	outdated.Store(false)
	expect("/readyz?kubelet", http.StatusOK, "ok")
}

func TestNothingIsAnsweredWithoutACertificate(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Certificate: func() (*tls.Certificate, error) { return nil, errors.New("none yet") }})
	if code, _, err := v.get(t, v.base+"/pods"); err == nil {
		t.Errorf("status %d", code)
	}
}

// impatient waits for no body.
func impatient(t *testing.T) *webhook.Handler {
	t.Helper()
	return webhook.NewHandler(webhook.Options{Settings: func() *webhook.Settings { return settings(t) }, BodyTimeout: 100 * time.Millisecond, Log: zerolog.Nop()})
}

func TestT74_ASlowRequestIsCut(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Handler: impatient(t)})
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

// idle opens connections that say nothing, from 127.0.0.1.
func idle(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	return idleFrom(t, "127.0.0.1", addr, n)
}

// idleFrom opens them from another address of the loopback, where it has several.
func idleFrom(t *testing.T, from, addr string, n int) []net.Conn {
	t.Helper()
	var kept []net.Conn
	for range n {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		kept = append(kept, conn)
	}
	return kept
}

func TestT75_OneAddressCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Timeout: time.Minute})
	conns := idle(t, strings.TrimPrefix(v.base, "https://"), 17)
	over := conns[16]
	if err := over.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := over.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want the connection over the bound closed", err)
	}
	if code, _, err := v.get(t, v.base+"/pods"); err == nil {
		t.Errorf("status %d beside sixteen connections", code)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	for range 100 { // the server learns of it in its own time
		if _, _, err := v.get(t, v.base+"/pods"); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the places of connections that were closed are not given back")
}

func TestT75_ConnectionsOverTheLimitWait(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the loopback has one address")
	}
	v := serve(t, webhook.Server{Timeout: time.Minute})
	addr := strings.TrimPrefix(v.base, "https://")
	for _, from := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		idleFrom(t, from, addr, 16)
	}
	idle(t, addr, 15)
	dialer := &tls.Dialer{Config: v.client.Transport.(*http.Transport).TLSClientConfig}
	last, err := dialer.DialContext(t.Context(), "tcp", addr) // TLS is spoken with it, so those before it are taken too
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if n := v.ln.times.Load(); n != 64 {
		t.Errorf("the listener was asked for a connection %d times while 64 are open, want 64", n)
	}
}

func TestT75_IdleConnectionsLeaveProbesAlone(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Timeout: time.Minute})
	idle(t, strings.TrimPrefix(v.base, "https://"), 100)
	if code, _, err := v.get(t, v.probes+"/healthz"); err != nil || code != http.StatusOK {
		t.Errorf("%d, %v", code, err)
	}
}

func TestT74_ConnectionsThatSayNothingEnd(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Timeout: 50 * time.Millisecond})
	for _, base := range []string{v.base, v.probes} {
		conn := idle(t, base[strings.Index(base, "//")+2:], 1)[0]
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%s: %v, want the connection closed", base, err)
		}
	}
}

// Eight reviews that do not come take all places, and lose them.
func TestT74_StalledReviewsGiveTheirPlacesBack(t *testing.T) {
	t.Parallel()
	v := serve(t, webhook.Server{Handler: impatient(t), Timeout: time.Hour})
	ask := func(body io.Reader) (int, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base+"/pods", body)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Content-Type", "application/json")
		code, _, err := answered(v.client.Do(r))
		return code, err
	}
	var asking sync.WaitGroup
	for range 8 {
		body, writer := io.Pipe()
		t.Cleanup(func() { _ = writer.Close() })
		asking.Go(func() { _, _ = ask(body) }) // refused or cut: either way its place is free
	}
	asking.Wait()
	if code, err := ask(strings.NewReader(asked("apps", podWith("")))); err != nil || code != http.StatusOK {
		t.Errorf("%d, %v", code, err)
	}
}
