package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/proxy"
)

func TestRequestsOverTheLimitAreRefusedAtEveryDoor(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	c := testConfig(t, func(c *config.Config) { c.Limits.Requests = 2 })
	r := start(t, upstream, c)
	open := func() *http.Response {
		resp, err := r.client().Do(newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first, second := open(), open()
	defer func() { _, _ = first.Body.Close(), second.Body.Close() }()
	if got := metric(t, r, "sealcar_open_requests"); got != "2" {
		t.Errorf("%s requests in flight", got)
	}

	unrouted := newServer(t, func(http.ResponseWriter, *http.Request) {})
	for _, url := range []string{routedURL, "https://" + routedHost + "/v1/chat/completions", unrouted.URL + "/x"} {
		resp, body := do(t, r.client(), newPost(t.Context(), t, url, strings.NewReader(chat)))
		refusedButMayRetry(t, resp, body, http.StatusServiceUnavailable, "too_many_requests")
		if resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After %q", url, resp.Header.Get("Retry-After"))
		}
	}
	resp, body := r.dial(post("/v1/chat/completions", r.Addr().String(), "")).response()
	refusedButMayRetry(t, resp, body, http.StatusServiceUnavailable, "too_many_requests")
	if n := upstream.open.Load(); n != 2 {
		t.Errorf("%d requests reached the upstream, want 2", n)
	}
	if got := metric(t, r, `sealcar_refused_total{code="too_many_requests",route="ark"}`); got != "3" {
		t.Errorf("%s refusals are counted", got)
	}

	tunnel := r.connect(listen(t, greet))
	tunnel.send("\x00")
	if _, err := tunnel.r.ReadByte(); err != nil {
		t.Errorf("a tunnel takes a place among requests: %v", err)
	}

	close(upstream.finish)
	for _, resp := range []*http.Response{first, second} {
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
	}
	eventually(t, func() bool { return metric(t, r, "sealcar_open_requests") == "0" }, func() string { return "places are not given back" })
	if resp := open(); resp.StatusCode != http.StatusOK {
		t.Errorf("with places free: %s", resp.Status)
	} else {
		_ = resp.Body.Close()
	}
}

func TestTheLimitOfRequestsIsThatOfTheLastReload(t *testing.T) {
	t.Parallel()
	upstream := &streams{finish: make(chan struct{})}
	c := testConfig(t, func(c *config.Config) { c.Limits.Requests = 1 })
	r := start(t, upstream, c)
	next := *c
	next.Limits.Requests = 2
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{200, 200, 503} {
		resp, err := r.client().Do(newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != want {
			t.Errorf("got %s, want %d", resp.Status, want)
		}
	}
	close(upstream.finish)
}

func TestT75_ConnectionsOverTheLimitAreToldSo(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Limits.Connections = 4 }))
	idle := r.dial("")
	kept := r.dial(post(routedURL, routedHost, ""))
	kept.response()
	tunnel := r.connect(listen(t, greet))
	tunnel.send("\x00")
	if _, err := tunnel.r.ReadByte(); err != nil {
		t.Fatal(err)
	}
	inner := r.connect(routedHost+":443").insideTLS(r, routedHost)
	eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "4" }, func() string { return "not every connection counts" })

	const refused = 100 // more than linger at a time
	for range refused {
		c := r.dial("")
		// What was sent is read, so that no reset takes the answer back.
		_, _ = io.WriteString(c.Conn, "POST "+routedURL+" HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"+strings.Repeat("x", 20_000))
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			continue // beyond those that linger
		}
		body, _ := io.ReadAll(resp.Body)
		refusedButMayRetry(t, resp, string(body), http.StatusServiceUnavailable, "too_many_connections")
		if resp.Header.Get("Retry-After") != "1" || !resp.Close {
			t.Errorf("got %v", resp.Header)
		}
	}
	if got := metric(t, r, "sealcar_connections_refused_total"); got != "100" {
		t.Errorf("%s refusals are counted, want %d", got, refused)
	}
	if resp, _ := kept.again(post(routedURL, routedHost, "")); resp.StatusCode != http.StatusOK {
		t.Errorf("a connection with a place: %s", resp.Status)
	}

	for _, c := range []net.Conn{idle, kept, tunnel, inner} { // each gives its place back
		_ = c.Close()
		eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "3" }, func() string { return "a place is not given back" })
		next := r.dial(post(routedURL, routedHost, ""))
		if resp, _ := next.response(); resp.StatusCode != http.StatusOK {
			t.Errorf("in its place: %s", resp.Status)
		}
	}
}

// again sends another request on a kept connection.
func (c *raw) again(text string) (*http.Response, string) {
	c.t.Helper()
	c.send(text)
	return c.response()
}

// readCounter is a listener that counts what is read of its connections.
type readCounter struct {
	net.Listener
	bytes *atomic.Int64
}

func (l readCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &readCountedConn{c, l.bytes}, err
}

type readCountedConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c *readCountedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c *readCountedConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// A connection that is closed with unread bytes is reset, and a client that is
// still writing then never reads the answer.
func TestTheFirstRefusedConnectionsAllSeeWhy(t *testing.T) {
	t.Parallel()
	var read atomic.Int64
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Limits.Connections, c.Admin.Listen = 1, "" }), func(o *proxy.Options) {
		o.Listen = func(network, addr string) (net.Listener, error) {
			l, err := net.Listen(network, addr)
			return readCounter{l, &read}, err
		}
	})
	_ = r.dial("x") // takes the only place
	eventually(t, func() bool { return read.Load() == 1 }, func() string { return "the first connection is not served" })
	request := post(routedURL, routedHost, "")
	for range 20 {
		c := r.dial(request)
		resp, body := c.response()
		refusedButMayRetry(t, resp, body, http.StatusServiceUnavailable, "too_many_connections")
		c.ended()
		_ = c.Close()
	}
	want := int64(1 + 20*len(request))
	eventually(t, func() bool { return read.Load() == want }, func() string { return fmt.Sprintf("%d bytes were read, want %d", read.Load(), want) })
}

func TestThePortsTakeNoPlacesFromEachOther(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Limits.Connections = 1 }))
	_ = r.dial("")
	for range proxy.MaxAdminConnections - 2 { // one more for the probe, one for the scraper
		c, err := net.Dial("tcp", r.AdminAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	if resp, _ := admin(t, r, "/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("the admin port with a full data port: %s", resp.Status)
	}
	var last net.Conn
	for range 3 {
		c, err := net.Dial("tcp", r.AdminAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		last = c
	}
	_ = last.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(last, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if n, err := last.Read(make([]byte, 1)); n > 0 || errors.Is(err, errTimeout) {
		t.Errorf("one too many on the admin port: %d bytes, %v", n, err)
	}
}
