package upstream_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sealcar/config"
	"sealcar/upstream"
)

func newUpstream(t *testing.T, a *ca, timeouts config.Timeouts) *upstream.Upstream {
	t.Helper()
	u, err := upstream.New(upstream.Config{Route: config.Route{UpstreamCAFile: a.file(t)}, Timeouts: timeouts, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

func TestUpstreamClosesAllThatItHolds(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	closed := make(chan struct{}, 8)
	a := newCA(t)
	s := server(t, a, func(s *httptest.Server) {
		s.EnableHTTP2 = false
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				opened.Add(1)
			case http.StateClosed:
				closed <- struct{}{}
			default:
			}
		}
	})
	u := newUpstream(t, a, timeouts)
	for _, way := range []http.RoundTripper{u, u, u, u.Transport()} { // the first learns that it is HTTP/1.1
		if _, body, err := get(t, way, s.URL); err != nil || body != "HTTP/1.1" {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	if n := opened.Load(); n != 2 { // the transport's and the pool's
		t.Errorf("%d connections", n)
	}
	u.Close()
	for range opened.Load() {
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("a connection stays open")
		}
	}
}

func TestT38_UpstreamGivesUpWhatIsHeldUp(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	url := frames(t, a, func(_ int, p peer) {
		stream := p.request()
		p.headers(stream)
		_ = p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) // before the first reply has ended, so before the second request
		_ = p.WriteData(stream, true, []byte("whole"))
		_ = p.request()
	})
	u := newUpstream(t, a, config.Timeouts{Dial: time.Second, TLSHandshake: time.Second, ResponseHeader: time.Second})
	for _, held := range []bool{false, true} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("sealed"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := u.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		timeout, ok := errors.AsType[net.Error](err)
		if held && (!ok || !timeout.Timeout()) || !held && err != nil {
			t.Errorf("held up: %t, got %v", held, err)
		}
	}
}
