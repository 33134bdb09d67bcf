package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/upstream"
)

// script is a TLS server of HTTP/1.1 that answers each request on a connection as
// the test says.
type script struct {
	url   string
	conns atomic.Int64 // accepted
	past  atomic.Int64 // requests that did not come over the pool
}

// play is what a connection of a script does with each of its requests; false ends
// it.
type play func(c net.Conn, n int, req *http.Request) bool

// newScript serves until the test ends. The transport's own requests, the first to
// a host, are answered with 200.
func newScript(t *testing.T, a *ca, p play) (*script, *upstream.Pool) {
	t.Helper()
	plain := server(t, a)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: plain.TLS.Certificates, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	s := &script{url: "https://" + ln.Addr().String()}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go serve(c, p)
		}
	}()
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	pool := upstream.NewPool(tr, counting{tr, &s.past})
	t.Cleanup(pool.Close)
	if _, err := s.get(t.Context(), pool); err != nil { // from now on it is known to speak HTTP/1.1
		t.Fatal(err)
	}
	tr.CloseIdleConnections()
	s.conns.Store(0)
	s.past.Store(0)
	return s, pool
}

type counting struct {
	next http.RoundTripper
	n    *atomic.Int64
}

func (c counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(req)
}

func serve(c net.Conn, p play) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for n := 1; ; n++ {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		req.Header.Set("X-Came-Along", strconv.Itoa(in.Buffered())) // no Read of TLS gives more than a record
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if req.Header.Get("X-Script") == "" {
			_, _ = io.WriteString(c, okReply)
			return
		}
		if !p(c, n, req) {
			return
		}
	}
}

const okReply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func (s *script) get(ctx context.Context, rt http.RoundTripper) (string, error) {
	return s.send(ctx, rt, nil, http.Header{})
}

func (s *script) play(t *testing.T, rt http.RoundTripper) (string, error) {
	t.Helper()
	return s.send(t.Context(), rt, nil, http.Header{"X-Script": {"1"}})
}

func (s *script) send(ctx context.Context, rt http.RoundTripper, body []byte, header http.Header) (string, error) {
	method, content := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, content = http.MethodPost, bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url, content)
	if err != nil {
		return "", err
	}
	req.Header = header
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func write1(c net.Conn, text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

func wantBody(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil || got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestPoolUsesItsConnectionAgain(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{
		"a length":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"no content": "HTTP/1.1 204 No Content\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := newScript(t, newCA(t), func(c net.Conn, _ int, _ *http.Request) bool { return write1(c, reply) })
			for range 5 {
				if _, err := s.play(t, pool); err != nil {
					t.Fatal(err)
				}
			}
			if s.conns.Load() != 1 || s.past.Load() != 0 {
				t.Errorf("%d connections, %d requests by the transport; want one and none", s.conns.Load(), s.past.Load())
			}
		})
	}
}

// TestPoolUsesNoConnectionAgain that may hold something, or nobody: each request
// must have one of its own.
func TestPoolSendsARequestInOnePiece(t *testing.T) {
	t.Parallel()
	var along string
	s, pool := newScript(t, newCA(t), func(c net.Conn, _ int, req *http.Request) bool {
		along = req.Header.Get("X-Came-Along")
		return write1(c, okReply)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, io.LimitReader(strings.NewReader("a chat"), 6)) // which net/http does not know to be in memory
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 6
	req.Header.Set("X-Script", "1")
	resp, err := pool.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	wantBody(t, string(body), err, "ok")
	if along != "6" || s.past.Load() != 0 {
		t.Errorf("%s bytes of the body came with the headers, want all 6", along)
	}
}

func TestPoolUsesNoConnectionAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]play{
		"that the upstream closes": func(c net.Conn, _ int, _ *http.Request) bool { write1(c, okReply); return false },
		"that is said to close": func(c net.Conn, _ int, _ *http.Request) bool {
			return write1(c, strings.Replace(okReply, "\r\n", "\r\nConnection: close\r\n", 1))
		},
		"of HTTP/1.0": func(c net.Conn, _ int, _ *http.Request) bool {
			return write1(c, strings.Replace(okReply, "1.1", "1.0", 1))
		},
		"with more behind the reply": func(c net.Conn, _ int, _ *http.Request) bool {
			return write1(c, okReply+"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse")
		},
		"with more in a record of TLS": func(c net.Conn, _ int, _ *http.Request) bool {
			return write1(c, okReply) && write1(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse")
		},
		"with more a moment after that": func(c net.Conn, _ int, _ *http.Request) bool {
			write1(c, okReply)
			time.Sleep(20 * time.Millisecond)
			return write1(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse")
		},
	}
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := newScript(t, newCA(t), p)
			for range 4 {
				got, err := s.play(t, pool)
				wantBody(t, got, err, "ok")
				time.Sleep(100 * time.Millisecond) // for what comes late; it never decides that the test fails
			}
			if n := s.conns.Load(); n != 4 {
				t.Errorf("%d connections, want one for each of 4 requests", n)
			}
		})
	}
}

// A request that may have been read is not sent again: there would be two replies
// under one key.
func TestPoolSendsNoRequestTwice(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	s, pool := newScript(t, newCA(t), func(c net.Conn, n int, _ *http.Request) bool {
		seen.Add(1)
		return n == 1 && write1(c, okReply) // the second is read and not answered
	})
	got, err := s.play(t, pool)
	wantBody(t, got, err, "ok")
	if got, err := s.play(t, pool); err == nil {
		t.Errorf("got %q from a connection that broke", got)
	}
	if seen.Load() != 2 {
		t.Errorf("the upstream saw %d requests, want 2", seen.Load())
	}
}

func TestPoolLeavesTheRestToTheTransport(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	s, pool := newScript(t, a, func(c net.Conn, _ int, _ *http.Request) bool { return write1(c, okReply) })
	if _, err := s.send(t.Context(), pool, make([]byte, 64<<10), http.Header{"X-Script": {"1"}}); err != nil || s.past.Load() != 1 {
		t.Errorf("a large request: %v, %d by the transport, want 1", err, s.past.Load())
	}
	if _, err := s.send(t.Context(), pool, []byte("short"), http.Header{"X-Script": {"1"}}); err != nil || s.past.Load() != 1 {
		t.Errorf("a short request: %v, %d by the transport, want no more", err, s.past.Load())
	}
	h2 := server(t, a)
	for range 3 {
		_, body, err := get(t, pool, h2.URL)
		wantBody(t, body, err, "HTTP/2.0")
	}
	if s.past.Load() != 4 {
		t.Errorf("%d by the transport, want the 3 of HTTP/2 too", s.past.Load())
	}
}

func TestPoolEndsWithTheRequestsContext(t *testing.T) {
	t.Parallel()
	arrived, gone := make(chan struct{}), make(chan struct{}, 2)
	s, pool := newScript(t, newCA(t), func(c net.Conn, _ int, req *http.Request) bool {
		if req.Header.Get("X-Script") == "body" {
			write1(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}
		arrived <- struct{}{}
		_, _ = c.Read(make([]byte, 1)) // until the other side ends it
		gone <- struct{}{}
		return false
	})
	reason := errors.New("reason")
	for _, where := range []string{"header", "body"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-arrived
			cancel(reason)
		}()
		if _, err := s.send(ctx, pool, nil, http.Header{"X-Script": {where}}); !errors.Is(err, reason) {
			t.Errorf("%s: %v, want the context's cause", where, err)
		}
		<-gone
	}
}

func TestPoolBoundsHeadersAndInterimResponses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply, want, told string
	}{
		"headers": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "the response's headers are over", "Raise limits.header_bytes"},
		"interim": {strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 50_000) + okReply, "the response's headers are over", "Raise limits.header_bytes"},
		"nothing": {"", "reading the response", ""},
		"no HTTP": {"SSH-2.0\r\n\r\n", "reading the response", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := newScript(t, newCA(t), func(c net.Conn, _ int, _ *http.Request) bool { write1(c, tt.reply); return false })
			_, err := s.play(t, pool)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if told := trouble(err); !strings.Contains(told, tt.told) {
				t.Errorf("told %q, want %q", told, tt.told)
			}
		})
	}
}

func TestPoolTellsOfInterimResponses(t *testing.T) {
	t.Parallel()
	const many = 50_000 // together they are over the limit of headers, none of them is alone
	s, pool := newScript(t, newCA(t), func(c net.Conn, _ int, _ *http.Request) bool {
		return write1(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", many)+okReply)
	})
	enough := errors.New("enough")
	for name, tt := range map[string]struct {
		upTo int
		want error
	}{"all": {many, nil}, "the first": {1, enough}} {
		told := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if told++; code != http.StatusEarlyHints || h.Get("Link") != "<x>" {
				t.Errorf("told of %d %v", code, h)
			}
			if told == tt.upTo {
				return tt.want
			}
			return nil
		}})
		got, err := s.send(ctx, pool, nil, http.Header{"X-Script": {"1"}})
		if !errors.Is(err, tt.want) || tt.want == nil && got != "ok" || told != tt.upTo {
			t.Errorf("%s: got %q, %v, told of %d", name, got, err, told)
		}
	}
}

func TestPoolGivesUpOnHeadersInTime(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	s, _ := newScript(t, a, func(net.Conn, int, *http.Request) bool { <-hang; return false })
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	tr.ResponseHeaderTimeout = 50 * time.Millisecond
	pool := upstream.NewPool(tr, tr)
	t.Cleanup(pool.Close)
	if _, err := s.get(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	_, err := s.play(t, pool)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("%v, want a timeout", err)
	}
}

func TestPoolVerifiesAsItsTransportDoes(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	s, _ := newScript(t, a, func(c net.Conn, _ int, _ *http.Request) bool { return write1(c, okReply) })
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	pool := upstream.NewPool(tr, tr)
	t.Cleanup(pool.Close)
	if _, err := s.get(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	strict := upstream.NewPool(transport(t, config.Route{}), tr) // learns by a transport that trusts, and does not itself
	t.Cleanup(strict.Close)
	if _, err := s.get(t.Context(), strict); err != nil {
		t.Fatal(err)
	}
	_, err := s.play(t, strict)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("%v, want a certificate that does not verify", err)
	}
}

func TestPoolClosesWhatIsIdle(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 2)
	p := func(c net.Conn, _ int, _ *http.Request) bool {
		if !write1(c, okReply) {
			return false
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			closed <- struct{}{}
		}
		return false
	}
	a := newCA(t)
	s, pool := newScript(t, a, p)
	got, err := s.play(t, pool)
	wantBody(t, got, err, "ok")
	pool.Close()
	<-closed
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	tr.IdleConnTimeout = 20 * time.Millisecond
	short := upstream.NewPool(tr, tr)
	t.Cleanup(short.Close)
	if _, err := s.get(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	got, err = s.play(t, short)
	wantBody(t, got, err, "ok")
	<-closed // by itself
}

// What the transport does beside the pool changes nothing of what is idle in it.
func TestPoolClosesWhatIsIdleBesideLargeRequests(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	closed := make(chan struct{})
	var played atomic.Int64
	s, _ := newScript(t, a, func(c net.Conn, _ int, _ *http.Request) bool {
		time.Sleep(10 * time.Millisecond) // so that the timer of the first reply comes too early for the second
		if !write1(c, okReply) || played.Add(1) == 1 {
			return true
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			close(closed)
		}
		return false
	})
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	tr.IdleConnTimeout = 200 * time.Millisecond
	pool := upstream.NewPool(tr, tr)
	t.Cleanup(pool.Close)
	for _, send := range []func() (string, error){
		func() (string, error) { return s.get(t.Context(), pool) },
		func() (string, error) { return s.play(t, pool) },
		func() (string, error) { return s.send(t.Context(), pool, make([]byte, 1<<20), http.Header{}) },
		func() (string, error) { return s.play(t, pool) },
	} {
		got, err := send()
		wantBody(t, got, err, "ok")
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("an idle connection stays open")
	}
}

// An upstream that begins to insist on HTTP/2 costs one request, not all of them.
func TestPoolAsksAHostAnewThatRefusesIt(t *testing.T) {
	t.Parallel()
	a := newCA(t)
	var insists atomic.Bool
	s := server(t, a, func(s *httptest.Server) {
		s.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c := &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
			if insists.Load() {
				c.NextProtos = []string{"h2"}
				if !slices.Contains(hello.SupportedProtos, "h2") {
					return nil, errors.New("no application protocol")
				}
			}
			return c, nil
		}
	})
	tr := transport(t, config.Route{UpstreamCAFile: a.file(t)})
	pool := upstream.NewPool(tr, tr)
	t.Cleanup(pool.Close)
	var protocols []string
	for i := range 3 {
		if i == 1 {
			insists.Store(true)
			tr.CloseIdleConnections()
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := pool.RoundTrip(req)
		if err != nil {
			protocols = append(protocols, "refused")
			continue
		}
		protocols = append(protocols, resp.Proto)
		_ = resp.Body.Close()
	}
	if want := []string{"HTTP/1.1", "refused", "HTTP/2.0"}; !slices.Equal(protocols, want) {
		t.Errorf("got %q, want %q", protocols, want)
	}
}
