package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sealcar/apierror"
	"sealcar/config"
	"sealcar/exchange"
)

// routedURL is where the tests of forwarding send to; the rig's client is the
// proxy's.
const routedURL = "http://" + routedHost + "/v1/chat/completions"

func newPost(ctx context.Context, t *testing.T, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

func TestEventsAreFlushedOneByOne(t *testing.T) {
	t.Parallel()
	for _, door := range []string{routedURL, "https://" + routedHost + "/v1/chat/completions", "unrouted"} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			next := make(chan string)
			s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
				_ = http.NewResponseController(w).Flush()
				for {
					select {
					case event := <-next:
						_, _ = io.WriteString(w, event)
						_ = http.NewResponseController(w).Flush()
					case <-r.Context().Done():
						return
					}
				}
			})
			r := start(t, overHTTP{s}, testConfig(t))
			resp, err := r.client().Do(newPost(t.Context(), t, strings.Replace(door, "unrouted", s.URL+"/events", 1), strings.NewReader(chat)))
			if err != nil {
				t.Fatal(err)
			}
			events := bufio.NewReader(resp.Body)
			for i := range 3 { // each is read before the next is sent
				event := fmt.Sprintf("data: %d\n", i)
				next <- event
				if got, err := events.ReadString('\n'); got != event {
					t.Fatalf("got %q %v", got, err)
				}
			}
			if got := metric(t, r, "sealcar_open_streams"); got != "1" {
				t.Errorf("%s open streams", got)
			}
			_ = resp.Body.Close()
			r.log.line(t, map[string]any{"message": "request", "aborted": "client_gone"})
			eventually(t, func() bool { return metric(t, r, "sealcar_open_streams") == "0" }, func() string { return "a stream stays counted" })
		})
	}
}

// breaking is a body that gives text and then err.
type breaking struct {
	text io.Reader
	err  error
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func TestReplyThatBreaksOffIsNeverAComplete(t *testing.T) {
	t.Parallel()
	causes := map[string]struct {
		err  error
		code string
	}{
		"the connection breaks":   {io.ErrUnexpectedEOF, "upstream_broken"},
		"the protocol refuses it": {fmt.Errorf("event 3: %w", &apierror.Error{Status: 502, Code: "bad_tag", Message: "x"}), "bad_tag"},
	}
	for name, tc := range causes {
		for _, contentType := range []string{"text/event-stream", "application/json"} {
			for _, proto := range []string{"HTTP/1.1", "HTTP/1.0"} {
				for _, withTLS := range []bool{false, true} {
					t.Run(fmt.Sprint(name, contentType, proto, withTLS), func(t *testing.T) {
						t.Parallel()
						upstream := &recorder{reply: func(*http.Request) (*http.Response, error) {
							return answer(200, contentType, &breaking{strings.NewReader("data: half\n\n"), tc.err}), nil
						}}
						r := start(t, upstream, testConfig(t))
						c := r.connect(routedHost + ":443")
						if withTLS {
							c = &raw{Conn: c.insideTLS(r, routedHost), t: t}
							c.r = bufio.NewReader(c.Conn)
						}
						c.send(strings.Replace(post("/v1/chat/completions", routedHost+":443", ""), "HTTP/1.1", proto, 1))
						resp, err := http.ReadResponse(c.r, nil)
						if err == nil {
							var body []byte
							body, err = io.ReadAll(resp.Body)
							if err == nil {
								t.Errorf("the client sees a complete reply: %q", body)
							}
						}
						if proto == "HTTP/1.0" && !errors.Is(err, syscall.ECONNRESET) {
							t.Errorf("got %v, want a reset", err)
						}
						r.log.line(t, map[string]any{"message": "request", "aborted": tc.code, "status": 200.0})
					})
				}
			}
		}
	}
}

func TestT77_ClientGoneCancelsTheUpstream(t *testing.T) {
	t.Parallel()
	for _, headers := range []bool{false, true} {
		cancelled := make(chan struct{})
		arrived := make(chan struct{})
		upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
			close(arrived)
			if headers {
				go func() {
					<-r.Context().Done()
					close(cancelled)
				}()
				return answer(200, "text/event-stream", &ctxBody{r.Context(), strings.NewReader("data: x\n\n")}), nil
			}
			<-r.Context().Done()
			close(cancelled)
			return nil, r.Context().Err()
		}}
		r := start(t, upstream, testConfig(t))
		c := r.dial(post(routedURL, routedHost, ""))
		<-arrived
		_ = c.Close()
		select {
		case <-cancelled:
		case <-time.After(patience):
			t.Fatal("the upstream goes on")
		}
		status := 499.0
		if headers {
			status = 200
		}
		r.log.line(t, map[string]any{"message": "request", "aborted": "client_gone", "status": status})
	}
}

// ctxBody gives a text, then waits for the end of its context.
type ctxBody struct {
	ctx  context.Context
	text io.Reader
}

func (b *ctxBody) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if errors.Is(err, io.EOF) {
		<-b.ctx.Done()
		err = b.ctx.Err()
	}
	return n, err
}

func TestHalfClosedClientGetsNoEmptySuccess(t *testing.T) {
	t.Parallel()
	r := start(t, &recorder{reply: func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}, testConfig(t))
	c := r.dial(post(routedURL, routedHost, ""))
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.ended()
}

func TestT76_StalledReplyEnds(t *testing.T) {
	t.Parallel()
	r := start(t, &recorder{reply: func(r *http.Request) (*http.Response, error) {
		return answer(200, "text/event-stream", &ctxBody{r.Context(), strings.NewReader("data: x\n\n")}), nil
	}}, testConfig(t, func(c *config.Config) { c.Timeouts.StreamIdle = 50 * time.Millisecond }))
	resp, err := r.client().Do(newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a stalled reply ended well: %q", body)
	}
	r.log.line(t, map[string]any{"message": "request", "aborted": "stream_idle"})
}

func TestT74_StalledReaderEnds(t *testing.T) {
	t.Parallel()
	r := start(t, &recorder{reply: func(*http.Request) (*http.Response, error) {
		return answer(200, "text/event-stream", endless{}), nil
	}}, testConfig(t, func(c *config.Config) { c.Timeouts.StreamIdle = 100 * time.Millisecond }))
	_ = r.dial(post(routedURL, routedHost, "")) // and never reads
	r.log.line(t, map[string]any{"message": "request", "aborted": "client_stalled"})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, strings.Repeat("data: x\n", 512)), nil }

func TestT74_SlowBodyIsATimeout(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.ReadBody = 50 * time.Millisecond }))
	c := r.dial("POST " + routedURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	resp, body := c.response()
	refusedButMayRetry(t, resp, body, http.StatusRequestTimeout, "request_body_timeout")
}

func TestBrokenBody(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	c := r.dial("POST " + routedURL + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	resp, body := c.response()
	refusedWith(t, resp, body, http.StatusBadRequest, "bad_request_body")
}

// refusedButMayRetry is refusedWith for codes that may be tried again.
func refusedButMayRetry(t *testing.T, resp *http.Response, body string, status int, code string) {
	t.Helper()
	refusedWith(t, resp, body, status, code)
	if resp.Header.Get("X-Should-Retry") != "" {
		t.Error("the refusal forbids to try again")
	}
}

func TestFailuresOfTheUpstream(t *testing.T) {
	t.Parallel()
	const secret = "sk-secret"
	cases := map[string]struct {
		err    error
		status int
		code   string
		says   string
	}{
		"the protocol's own answer": {fmt.Errorf("sealing: %w", &apierror.Error{Status: 413, Code: "too_large", Message: "Too large."}), 413, "too_large", "Too large."},
		"refused":                   {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 502, "upstream_unreachable", "refuses connections"},
		"no such name":              {&net.DNSError{IsNotFound: true}, 502, "upstream_unreachable", "does not resolve"},
		"DNS too slow":              {&net.DNSError{IsTimeout: true}, 504, "upstream_timeout", "too long"},
		"too slow":                  {os.ErrDeadlineExceeded, 504, "upstream_timeout", "too long"},
		"its own time is up":        {context.DeadlineExceeded, 504, "upstream_timeout", "too long"},
		"closed":                    {io.ErrUnexpectedEOF, 502, "upstream_unreachable", "closed the connection"},
		"anything else":             {errors.New("odd: " + secret), 502, "upstream_unreachable", "log has the cause"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &recorder{reply: func(*http.Request) (*http.Response, error) { return nil, tc.err }}, testConfig(t))
			resp, body := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
			refusedWith(t, resp, body, tc.status, tc.code)
			if !strings.Contains(body, tc.says) || strings.Contains(body, secret) {
				t.Errorf("the message is %s", body)
			}
			r.log.line(t, map[string]any{"message": "request", "code": tc.code, "status": float64(tc.status)})
		})
	}
}

func TestFailuresOfTLSAreNamed(t *testing.T) {
	t.Parallel()
	untrusted := newTLSServer(t, func(http.ResponseWriter, *http.Request) {})
	plain := newServer(t, func(http.ResponseWriter, *http.Request) {})
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	for target, says := range map[string]string{
		untrusted.Listener.Addr().String(): "certificate does not verify",
		plain.Listener.Addr().String():     "does not speak TLS",
	} {
		r := start(t, tr, testConfig(t, func(c *config.Config) { c.Routes[0].Upstream = "https://" + target }))
		resp, body := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
		refusedWith(t, resp, body, http.StatusBadGateway, "upstream_unreachable")
		if !strings.Contains(body, says) {
			t.Errorf("the message is %s", body)
		}
	}
}

func TestT35_OddStatuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		header http.Header
		want   int
		code   string // of our own; "" when the reply is passed on
	}{
		"redirect to another host":   {307, http.Header{"Location": {"https://evil.example.com/"}}, 502, "upstream_redirect"},
		"redirect within the host":   {308, http.Header{"Location": {"/elsewhere"}}, 502, "upstream_redirect"},
		"not modified":               {304, nil, 304, ""},
		"switching protocols":        {101, http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}, 502, "upstream_upgrade"},
		"too many requests":          {429, http.Header{"Retry-After": {"7"}}, 429, ""},
		"unavailable":                {503, http.Header{"Retry-After": {"7"}}, 503, ""},
		"an error of the upstream's": {418, nil, 418, ""},
		"a status nobody knows":      {799, nil, 799, ""},
		"a status that is none":      {99, nil, 502, "upstream_invalid"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &recorder{reply: func(*http.Request) (*http.Response, error) {
				resp := answer(tc.status, "application/json", strings.NewReader(""))
				maps.Copy(resp.Header, tc.header)
				return resp, nil
			}}, testConfig(t))
			resp, body := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
			if tc.code != "" {
				refusedWith(t, resp, body, tc.want, tc.code)
				return
			}
			if resp.StatusCode != tc.want || resp.Header.Get("Retry-After") != tc.header.Get("Retry-After") {
				t.Errorf("got %s %v", resp.Status, resp.Header)
			}
		})
	}
}

func TestT36_ReplyHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range []string{"X-Client-Request-Id: 1", "Set-Cookie: a=b", "Set-Cookie: c=d", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=1", "Proxy-Authenticate: Basic"} {
			k, v, _ := strings.Cut(line, ": ")
			w.Header().Add(k, v)
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
	})
	r := start(t, overHTTP{s}, testConfig(t))
	resp, _ := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	if resp.StatusCode != http.StatusCreated || resp.Header.Get("X-Client-Request-Id") != "1" || len(resp.Header["Set-Cookie"]) != 2 {
		t.Errorf("got %s %v", resp.Status, resp.Header)
	}
	for _, gone := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate", "Via", "X-Should-Retry"} {
		if resp.Header.Get(gone) != "" {
			t.Errorf("%s came through", gone)
		}
	}
}

func TestT52_ConnectionHeaderCannotStripWhatTheProtocolSets(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Session-Token")+" "+r.Header.Get("X-Is-Encrypted"))
	})
	sealing := &sealingTransport{overHTTP{s}}
	r := start(t, sealing, testConfig(t))
	_, body := r.dial(post(routedURL, routedHost, "Connection: X-Session-Token, x-is-encrypted\r\nX-Session-Token: mine\r\nX-Is-Encrypted: false\r\n")).response()
	if body != "token true" {
		t.Errorf("the upstream got %q", body)
	}
}

// sealingTransport sets headers as a protocol does.
type sealingTransport struct{ next http.RoundTripper }

func (s *sealingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Header.Set("X-Session-Token", "token")
	out.Header.Set("X-Is-Encrypted", "true")
	return s.next.RoundTrip(out)
}

func TestExpectContinueIsAnswered(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	c := r.dial("POST " + routedURL + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q %v", line, err)
	}
	_, _ = c.r.ReadString('\n')
	c.send("body")
	if resp, _ := c.response(); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	if got := upstream.only(t); got.Body != "body" || got.Header.Get("Expect") != "" {
		t.Errorf("upstream got %+v", got)
	}
}

func TestUnroutedPlainHTTPIsForwardedAsMeant(t *testing.T) {
	t.Parallel()
	var got *http.Request
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		w.Header().Set("X-Request-Id", "strangers")
		http.Redirect(w, r, "http://elsewhere.example.com/", http.StatusFound)
	})
	r := start(t, new(recorder), testConfig(t))
	resp, _ := r.dial("PUT " + s.URL + "/a%2Fb//c?x=%zz;y HTTP/1.1\r\nHost: other\r\nUser-Agent:\r\nX-Forwarded-For: 9.9.9.9\r\nProxy-Authorization: Basic eDp5\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 1\r\n\r\nx").response()
	if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "http://elsewhere.example.com/" {
		t.Errorf("got %s %v", resp.Status, resp.Header)
	}
	if got.RequestURI != "/a%2Fb//c?x=%zz;y" || got.Host != s.Listener.Addr().String() || got.Method != http.MethodPut {
		t.Errorf("the server got %s %s, Host %s", got.Method, got.RequestURI, got.Host)
	}
	want := http.Header{"X-Forwarded-For": {"9.9.9.9"}, "Content-Length": {"1"}, "User-Agent": {""}}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) && fmt.Sprint(got.Header) != fmt.Sprint(http.Header{"X-Forwarded-For": {"9.9.9.9"}, "Content-Length": {"1"}}) {
		t.Errorf("headers %v, want %v", got.Header, want)
	}
	line := r.log.line(t, map[string]any{"message": "request", "treatment": "forwarded", "host": "127.0.0.1"})
	if _, ok := line["path"]; ok || strings.Contains(r.log.String(), "%zz") {
		t.Errorf("the log tells a stranger's path: %v", line)
	}
	if strings.Contains(r.log.String(), "strangers") {
		t.Errorf("the log tells a stranger's id: %v", line)
	}
}

func TestUnroutedStreamsBothWays(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = io.WriteString(w, lines.Text()+" back\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	r := start(t, new(recorder), testConfig(t))
	body, feed := io.Pipe()
	resp, err := r.client().Do(newPost(t.Context(), t, s.URL+"/echo", body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	for _, word := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(feed, word+"\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := lines.ReadString('\n'); got != word+" back\n" {
			t.Fatalf("%q %v", got, err)
		}
	}
	_ = feed.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
		t.Fatalf("%q %v", rest, err)
	}
}

func TestUnroutedUpgrades(t *testing.T) {
	t.Parallel()
	var upgrade string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if upgrade = r.Header.Get("Upgrade"); upgrade != "websocket" {
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", upgrade)
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, rw)
		_ = conn.Close()
	})
	r := start(t, new(recorder), testConfig(t))
	c := r.dial("GET " + s.URL + "/chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 101") {
		t.Fatalf("%q %v", line, err)
	}
	for line := ""; line != "\r\n"; {
		line, _ = c.r.ReadString('\n')
	}
	c.send("frame\n")
	if line, err := c.r.ReadString('\n'); line != "frame\n" {
		t.Fatalf("%q %v", line, err)
	}
	_ = c.Close()
	if resp, _ := r.dial("GET " + s.URL + "/chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n").response(); resp.StatusCode != 200 || upgrade != "" {
		t.Errorf("h2c: %s, the server was offered %q", resp.Status, upgrade)
	}
}

func TestUnsealedLLMCalls(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var reached []string
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, r.URL.Path)
	})
	strict := start(t, new(recorder), testConfig(t))
	unsafe := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Egress.UnsafeForwardLLM = true }))
	deny := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Egress.Default = "deny" }))
	calls := []string{
		"/v1/chat/completions", "/v1/chat/completions/", "/V1/Chat/Completions", "/completions", "/v1/responses", "/v1/messages", "/v1/embeddings",
		"/api/v3/embeddings/multimodal", "/v1/images/generations", "/v1/audio/speech", "/api/v3/contents/generations/tasks", "/api/chat",
		"/v1beta/models/gemini:generateContent", "/v1/chat%2Fcompletions",
		"/v1/chat/completions;x", "/v1/chat;v=1/completions;x", "/v1/chat/completions%20", "/v1/chat/completions%00/",
		"/v1/chat/completions/.", "/v1/chat/completions/x/..", "/v1/chat/./completions", "/v1/chat/x/../completions", "/v1/chat/completions/%2e",
		"/v1/chat/completions%3f", "/v1/chat/completions%23x", "/v1/chat/completions%3fx/y", "/v1/chat%5ccompletions", "/v1/realtime",
	}
	for _, path := range calls {
		resp, body := do(t, strict.client(), newPost(t.Context(), t, s.URL+path, strings.NewReader(chat)))
		refusedWith(t, resp, body, http.StatusBadRequest, "unsealed_llm_call")
	}
	if len(reached) != 0 {
		t.Fatalf("sent in clear: %v", reached)
	}
	for _, path := range calls {
		if resp, _ := do(t, unsafe.client(), newPost(t.Context(), t, s.URL+path, strings.NewReader(chat))); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
		resp, body := do(t, deny.client(), newPost(t.Context(), t, s.URL+path, strings.NewReader(chat)))
		refusedWith(t, resp, body, http.StatusBadRequest, "egress_denied")
	}
	if got := metric(t, unsafe, `sealcar_plaintext_total{route="none"}`); got != fmt.Sprint(len(calls)) {
		t.Errorf("%s sent in clear are counted, want %d", got, len(calls))
	}
	unsafe.log.line(t, map[string]any{"treatment": string(exchange.Plaintext)})
	if resp, _ := get(t, strict.client(), s.URL+"/v1/messages"); resp.StatusCode != http.StatusOK {
		t.Errorf("a GET without content: %s", resp.Status)
	}
	if resp, _ := do(t, strict.client(), newPost(t.Context(), t, s.URL+"/orders", strings.NewReader(chat))); resp.StatusCode != http.StatusOK {
		t.Errorf("a call of something else: %s", resp.Status)
	}
	resp, body := strict.dial("GET " + s.URL + "/v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").response()
	refusedWith(t, resp, body, http.StatusBadRequest, "unsealed_llm_call")
	withBody, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/messages", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	resp, body = do(t, strict.client(), withBody)
	refusedWith(t, resp, body, http.StatusBadRequest, "unsealed_llm_call")
}

func TestT35_InterimResponses(t *testing.T) {
	t.Parallel()
	flood := atomic.Bool{}
	addr := listen(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		for range 3 {
			_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
		}
		for flood.Load() {
			if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"); err != nil {
				return
			}
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	})
	r := start(t, new(recorder), testConfig(t))
	if resp, body := get(t, r.client(), "http://"+addr+"/"); resp.StatusCode != http.StatusOK || body != "ok" || resp.Header.Get("Link") != "" {
		t.Errorf("got %s %q %v", resp.Status, body, resp.Header)
	}
	flood.Store(true)
	c := r.dial("GET http://" + addr + "/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	got, err := io.ReadAll(io.LimitReader(c, 64<<20))
	if errors.Is(err, errTimeout) || !strings.Contains(string(got), "upstream_unreachable") {
		t.Errorf("a flood of interim responses: %v, %d bytes", err, len(got))
	}
}
