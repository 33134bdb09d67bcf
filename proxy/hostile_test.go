package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/proxy"
)

// roundTripper is a function that carries a request.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// overTCP is a protocol that sends every request to a bare TCP server of the
// test, by a transport as routes have it.
func overTCP(t *testing.T, serve func(net.Conn)) http.RoundTripper {
	t.Helper()
	addr := listen(t, func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			serve(c)
		}
	})
	tr := &http.Transport{MaxResponseHeaderBytes: 64 << 10, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host = "http", addr
		return tr.RoundTrip(out)
	})
}

func TestT35_T36_OddRepliesOnARoute(t *testing.T) {
	t.Parallel()
	const end = "Content-Length: 2\r\nConnection: close\r\n\r\nok"
	flood := func(head string) func(net.Conn) {
		return func(c net.Conn) {
			for range 10_000 {
				if _, err := io.WriteString(c, head); err != nil {
					return
				}
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+end) // who has read all of it is not refused for its end
		}
	}
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text) }
	}
	cases := map[string]struct {
		serve  func(net.Conn)
		status int
		code   string // of sealcar's own; "" if the reply is passed on
		body   string
	}{
		"a few interim responses":     {say(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 3) + "HTTP/1.1 200 OK\r\n" + end), 200, "", "ok"},
		"a flood of them":             {flood("HTTP/1.1 102 Processing\r\n\r\n"), 502, "upstream_unreachable", ""},
		"interim headers without end": {flood("HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 10_000) + "\r\n\r\n"), 502, "upstream_unreachable", ""},
		"switching protocols":         {say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), 502, "upstream_upgrade", ""},
		"no content with content":     {say("HTTP/1.1 204 No Content\r\n" + end), 204, "", ""},
		"a redirect elsewhere":        {say("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil.example.com/\r\n" + end), 502, "upstream_redirect", ""},
		"10 MB of headers":            {flood("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("y", 995)+"\r\n", 10_000)), 502, "upstream_unreachable", ""},
		"headers without end":         {say("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("y", 1<<20)), 502, "upstream_unreachable", ""},
		"500 cookies":                 {say("HTTP/1.1 200 OK\r\n" + strings.Repeat("Set-Cookie: a=b\r\n", 500) + end), 200, "", "ok"},
		"no HTTP":                     {say("SSH-2.0-x\r\n"), 502, "upstream_unreachable", ""},
		"two lengths":                 {say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + end), 502, "upstream_unreachable", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, overTCP(t, tc.serve), testConfig(t))
			resp, body := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
			if tc.code != "" {
				refusedWith(t, resp, body, tc.status, tc.code)
				return
			}
			if resp.StatusCode != tc.status || body != tc.body {
				t.Errorf("got %s %q", resp.Status, body)
			}
			if cookies := len(resp.Header["Set-Cookie"]); name == "500 cookies" && cookies != 500 {
				t.Errorf("%d cookies came through", cookies)
			}
		})
	}
}

func TestT76_AnEndlessStreamEnds(t *testing.T) {
	t.Parallel()
	r := start(t, &recorder{reply: func(*http.Request) (*http.Response, error) {
		return answer(200, "text/event-stream", endless{}), nil
	}}, testConfig(t, func(c *config.Config) { c.Limits.StreamBytes = 100_000 }))
	resp, err := r.client().Do(newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 10<<20)); err == nil || n > 100_000 {
		t.Errorf("%d bytes came, ended with %v", n, err)
	}
	r.log.line(t, map[string]any{"message": "request", "aborted": "stream_too_large"})
}

func TestT74_SlowHeadersEnd(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.ReadHeader = 50 * time.Millisecond }))
	for _, begun := range []string{"", "POST /v1/x HTTP/1.1\r\nHost: "} {
		if got, err := io.ReadAll(r.dial(begun)); err != nil || strings.Contains(string(got), "200") {
			t.Errorf("a client that stopped after %q got %q, %v", begun, got, err)
		}
	}
}

func TestT75_IdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.Idle = 50 * time.Millisecond }))
	plain := r.dial(post(routedURL, routedHost, ""))
	inner := r.connect(routedHost+":443").insideTLS(r, routedHost)
	byTLS := &raw{Conn: inner, t: t, r: bufio.NewReader(inner)}
	byTLS.send(post("/v1/x", routedHost, ""))
	for _, c := range []*raw{plain, byTLS} {
		if resp, _ := c.response(); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		c.ended()
	}
	eventually(t, func() bool { return metric(t, r, "sealcar_open_connections") == "0" }, func() string { return "a connection still counts" })
}

// T80 without a clock: what a stalled upstream holds, it holds alone.
func TestT80_AStalledUpstreamDelaysNoOther(t *testing.T) {
	t.Parallel()
	const stalled, others = 300, 200
	var waiting atomic.Int64
	stall := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		waiting.Add(1)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{"ark": {RoundTripper: stall}, "third": {RoundTripper: new(recorder)}}))
	var hung []*raw
	for range stalled {
		hung = append(hung, r.dial(post(routedURL, routedHost, "")))
	}
	eventually(t, func() bool { return waiting.Load() == stalled }, func() string { return "not all of them are waiting" })
	client := r.client()
	var done sync.WaitGroup
	var served atomic.Int64
	for range others {
		done.Go(func() {
			resp, err := client.Post("http://"+thirdHost+"/third/x", "application/json", strings.NewReader(chat))
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				served.Add(1)
			}
		})
	}
	done.Wait()
	if served.Load() != others || waiting.Load() != stalled {
		t.Errorf("%d of %d were served beside %d that wait", served.Load(), others, waiting.Load())
	}
	for _, c := range hung {
		_ = c.Close()
	}
}

// TestT52 of names that an application puts into Connection, and of those that
// are for one hop whatever it says.
func TestT52_HopByHopHeadersStay(t *testing.T) {
	t.Parallel()
	for _, target := range []string{routedURL, "unrouted"} {
		upstream := new(recorder)
		direct := newServer(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = upstream.RoundTrip(r) })
		r := start(t, upstream, testConfig(t))
		r.dial(post(strings.Replace(target, "unrouted", direct.URL+"/x", 1), "x",
			"Connection: X-Hop, Keep-Alive, HTTP2-Settings, Upgrade\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"+
				"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nX-Kept: 1\r\n")).response()
		got := upstream.only(t).Header
		for _, name := range []string{"X-Hop", "Keep-Alive", "Upgrade", "Http2-Settings", "Proxy-Connection", "Proxy-Authorization", "Connection"} {
			if got.Get(name) != "" {
				t.Errorf("%s: %s went on", target, name)
			}
		}
		if got.Get("X-Kept") != "1" || got.Get("Authorization") != "Bearer key" {
			t.Errorf("%s: something of the application's is lost: %v", target, got)
		}
	}
}

func TestCVE_2023_37788_OddTargetsInsideATunnelEndNothing(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	for _, target := range []string{"*", ":", "//", ":80/x", "%", "?", "#", "http://", "http://:/", "http://[::1", "x", "/\x7f", "https://" + routedHost + ":443:443/"} {
		inner := r.connect(routedHost+":443").insideTLS(r, routedHost)
		_, _ = io.WriteString(inner, "GET "+target+" HTTP/1.1\r\nHost: "+routedHost+"\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(inner), nil)
		if err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %v %v", target, resp, err)
		}
	}
	if n := len(upstream.all()); n != 0 || strings.Contains(r.log.String(), "panic") {
		t.Errorf("%d requests went upstream; log:\n%s", n, r.log)
	}
}

func TestCVE_2022_24825_And_29188_NoSpellingOfARoutedHostIsTunnelled(t *testing.T) {
	t.Parallel()
	upper := strings.ToUpper(routedHost)
	r := start(t, new(recorder), testConfig(t))
	for _, host := range []string{routedHost + ".", upper, upper + ".", routedHost + "..", "[" + routedHost + "]", "[[" + routedHost + "]]", "x@" + routedHost, routedHost + "%00", routedHost + "\t"} {
		c := r.dial("CONNECT " + host + ":443 HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodConnect})
		switch {
		case err != nil:
			t.Errorf("%q: %v", host, err)
		case resp.StatusCode == http.StatusOK:
			inner := c.insideTLS(r, routedHost) // our certificate: it is taken apart, not tunnelled
			_ = inner.Close()
		case resp.StatusCode != http.StatusBadRequest:
			t.Errorf("%q: %s", host, resp.Status)
		}
	}
	if got := metric(t, r, "sealcar_open_tunnels"); got != "0" {
		t.Errorf("%s tunnels", got)
	}
}

func TestCVE_2026_71324_NoConnectionOfATunnelServesAnotherRequest(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	addr := listen(t, func(c net.Conn) {
		if connections.Add(1) == 1 { // the tunnel's: it leaves an answer behind for whoever comes next
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		}
	})
	r := start(t, new(recorder), testConfig(t))
	_ = r.connect(addr).Close()
	if resp, body := get(t, r.client(), "http://"+addr+"/"); resp.StatusCode != http.StatusOK || body != "ok" || connections.Load() != 2 {
		t.Errorf("got %s %q over %d connections", resp.Status, body, connections.Load())
	}
}

func TestCVE_2021_36221_AClientThatGoesMidwayEndsItsRequestAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	r := start(t, new(recorder), testConfig(t))
	for range 20 {
		c := r.dial("POST " + s.URL + "/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		if _, err := c.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	if resp, _ := do(t, r.client(), newPost(t.Context(), t, "http://"+thirdHost+"/third/x", strings.NewReader(chat))); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if strings.Contains(r.log.String(), `"panic"`) {
		t.Errorf("log:\n%s", r.log)
	}
}

func TestCVE_2024_24791_ARefusedExpectationSpoilsNoConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "" {
			w.WriteHeader(http.StatusExpectationFailed) // and reads nothing
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, r.Method, " ", string(body))
	})
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, new(recorder), testConfig(t))
	for range 10 {
		c := r.dial("POST " + s.URL + "/x HTTP/1.1\r\nHost: " + u.Host + "\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody")
		for {
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if resp.StatusCode != http.StatusContinue {
				break
			}
		}
		if resp, body := do(t, r.client(), newPost(t.Context(), t, s.URL+"/x", strings.NewReader("next"))); resp.StatusCode != http.StatusOK || body != "POST next" {
			t.Fatalf("the next request got %s %q", resp.Status, body)
		}
	}
}

// What sealcar tells an application in headers of its own nobody else may say.
func TestT36_NobodySpeaksInSealcarsName(t *testing.T) {
	t.Parallel()
	const chunked = "Transfer-Encoding: chunked\r\nConnection: close\r\nTrailer: X-Sealcar-Plaintext, X-Sum\r\n\r\n2\r\nok\r\n0\r\n"
	ask := func(r *rig, url, host string) string {
		text, err := io.ReadAll(r.dial(post(url, host, "Connection: close\r\n")).r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	reply := func(c net.Conn, header string) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nAlt-Svc: clear\r\nX-Hint: 1\r\nX-Sealcar-Plaintext: interim\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n"+
			"HTTP/1.1 200 OK\r\n"+header+chunked+"X-Sealcar-Plaintext: announced\r\nX_Sealcar_Else: not announced\r\nX-Sum: 1\r\n\r\n")
	}
	got := ask(start(t, overTCP(t, func(c net.Conn) { reply(c, "") }), testConfig(t)), routedURL, routedHost) // the header is the protocol's business
	if strings.Contains(strings.ToLower(got), "sealcar") || strings.Contains(got, "Hop") || strings.Contains(got, "Keep-Alive") || strings.Contains(got, "Link") || strings.Contains(got, "Alt-Svc") || !strings.Contains(got, "X-Hint: 1\r\n") || !strings.Contains(got, "X-Sum: 1\r\n") {
		t.Errorf("on a route: %q", got)
	}
	other := listen(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			reply(c, "x-sealcar-plaintext: x\r\n")
		}
	})
	got = ask(start(t, new(recorder), testConfig(t)), "http://"+other+"/x", other)
	if strings.Contains(strings.ToLower(got), "sealcar") || strings.Contains(got, "Hop") || strings.Contains(got, "Keep-Alive") || !strings.Contains(got, "Link: </x>\r\n") || !strings.Contains(got, "X-Hint: 1\r\n") || !strings.Contains(got, "X-Sum: 1\r\n") {
		t.Errorf("of a host without a route: %q", got)
	}
}
