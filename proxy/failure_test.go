package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sealcar/proxy"
)

// newAlertingServer takes TLS connections, up to a version, from clients with a
// certificate only. It reads on after it refused one: a close with bytes unread
// would be a reset, which may overtake the alert.
func newAlertingServer(t *testing.T, version uint16) (addr string, roots *x509.CertPool) {
	t.Helper()
	ca, key := newRoot(t, func(template *x509.Certificate) *signer {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		return nil
	})
	roots = x509.NewCertPool()
	roots.AddCert(ca)
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{ca.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAnyClientCert, MaxVersion: version,
	}
	return listen(t, func(c net.Conn) {
		_ = tls.Server(c, config).HandshakeContext(t.Context())
		_, _ = io.Copy(io.Discard, c)
	}), roots
}

// toServer is a protocol that sends every request to addr by a transport.
type toServer struct {
	*http.Transport
	addr string
}

func (s toServer) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL = &url.URL{Scheme: "https", Host: s.addr, Path: "/"}
	return s.Transport.RoundTrip(out)
}

func TestUpstreamThatEndsTLSWithAnAlertIsNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		version uint16
		http2   bool
		says    string
	}{
		"TLS 1.2":         {tls.VersionTLS12, false, "handshake failure"},
		"TLS 1.3":         {tls.VersionTLS13, false, "certificate required"},
		"TLS 1.3, HTTP/2": {tls.VersionTLS13, true, "certificate required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, roots := newAlertingServer(t, tc.version)
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: tc.http2}
			t.Cleanup(tr.CloseIdleConnections)
			r := start(t, toServer{tr, addr}, testConfig(t))
			want := "it refused TLS (tls: " + tc.says + "). Check the route's upstream_tls."
			var body string
			eventually(t, func() bool {
				var resp *http.Response
				resp, body = do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
				refusedWith(t, resp, body, http.StatusBadGateway, "upstream_unreachable")
				// In TLS 1.3 the alert comes after the handshake. When it is faster
				// than the request, net/http tells of a closed connection only.
				if lost := tc.version == tls.VersionTLS13 && strings.Contains(body, "it closed the connection before it answered"); lost {
					return false
				}
				if !strings.Contains(body, want) {
					t.Fatalf("the message: %s\n%s", body, r.log)
				}
				return true
			}, func() string { return "no message tells of the alert, the last is " + body })
		})
	}
}

// mismatch is an error as the transport of a pinned route gives it.
type mismatch struct{}

func (mismatch) Error() string   { return "no pinned key" }
func (mismatch) Trouble() string { return "it has no pinned key. Look at the pins." }

func TestTransportsWordsForATroubleAreTold(t *testing.T) {
	t.Parallel()
	upstream := &recorder{reply: func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("sending: %w", mismatch{})
	}}
	r := start(t, upstream, testConfig(t))
	resp, body := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	refusedWith(t, resp, body, http.StatusBadGateway, "upstream_unreachable")
	if !strings.Contains(body, "it has no pinned key. Look at the pins.") {
		t.Errorf("the message: %s", body)
	}
}

func TestUpstreamsBytesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	const canary = "CANARY"
	long := strings.Repeat(canary, 50_000)
	for name, reply := range map[string]string{
		"no colon in a header":  "HTTP/1.1 200 OK\r\nA: b\r\n" + long + "\r\n\r\n",
		"a folded first line":   "HTTP/1.1 200 OK\r\n " + canary + "\r\n\r\n",
		"another protocol":      canary + " " + long + "\r\n\r\n",
		"a status that is none": "HTTP/1.1 " + canary + " OK\r\n\r\n",
		"a length that is none": "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"an unknown encoding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := listen(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 1<<10))
				_, _ = io.WriteString(c, reply)
			})
			tr := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 20}
			r := start(t, plainTo{tr, addr}, testConfig(t))
			resp, body := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
			refusedWith(t, resp, body, http.StatusBadGateway, "upstream_unreachable")
			line := r.log.line(t, map[string]any{"message": "request", "code": "upstream_unreachable"})
			if cause, _ := line["cause"].(string); len(cause) < len("malformed") || len(cause) > 256+len("…") {
				t.Errorf("the cause is logged as %q", cause)
			}
			if log := r.log.String(); strings.Contains(log, canary) || strings.Contains(body, canary) {
				t.Errorf("the upstream's bytes are in %.500s or %.500s", log, body)
			}
		})
	}
}

// plainTo is toServer without TLS.
type plainTo toServer

func (s plainTo) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL = &url.URL{Scheme: "http", Host: s.addr, Path: "/"}
	return s.Transport.RoundTrip(out)
}

func TestCauseIsBoundedAndItsQuotationsAreLeftOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`malformed HTTP response "x y"`:                 `malformed HTTP response …`,
		`a: malformed MIME header line: "x"`:            `a: malformed MIME header line: …`,
		`server sent GOAWAY; LastStreamID=1, debug="x"`: `server sent GOAWAY; LastStreamID=1, debug=…`,
		`error reading preface: bogus greeting "x y"`:   `error reading preface: bogus greeting …`,
		`remote error: tls: bad certificate`:            `remote error: tls: bad certificate`,
		`reading "/etc/x": no such file`:                `reading "/etc/x": no such file`,
		strings.Repeat("é", 200):                        strings.Repeat("é", 128),
	} {
		if got := proxy.Peerless(text); got != want {
			t.Errorf("%s is logged as %s", text, got)
		}
	}
}

// What SDKs show of a failure as its request_id leads to the line in the log; a
// reply of the upstream keeps the id that the upstream's own log has.
func TestRefusalsHaveTheIDOfTheirLine(t *testing.T) {
	t.Parallel()
	failing := true
	upstream := &recorder{reply: func(*http.Request) (*http.Response, error) {
		if failing {
			return nil, fmt.Errorf("sending: %w", mismatch{})
		}
		resp := answer(http.StatusTooManyRequests, "application/json", strings.NewReader(`{"error":"busy"}`))
		resp.Header.Set("X-Request-Id", "upstreams")
		return resp, nil
	}}
	r := start(t, upstream, testConfig(t))
	for code, header := range map[string]http.Header{"upstream_unreachable": {}, "upgrade_refused": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}} {
		req := newPost(t.Context(), t, routedURL, strings.NewReader(chat))
		maps.Copy(req.Header, header)
		resp, body := do(t, r.client(), req)
		id := r.log.line(t, map[string]any{"message": "request", "code": code})["id"]
		for _, name := range []string{"X-Request-Id", "Request-Id"} { // OpenAI's, Anthropic's
			if got := resp.Header[name]; len(got) != 1 || got[0] != id {
				t.Errorf("%s: %s %q, the log has %q: %s", code, name, got, id, body)
			}
		}
	}
	failing = false
	resp, _ := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	if got := resp.Header; got.Get("X-Request-Id") != "upstreams" || got.Get("Request-Id") != "" {
		t.Errorf("the upstream's refusal has the ids %q, %q", got["X-Request-Id"], got["Request-Id"])
	}
}

// A provider finds a request by its own id, not by sealcar's.
func TestTheLogHasTheIDOfTheUpstream(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header http.Header
		want   any
	}{
		"OpenAI's":     {http.Header{"X-Request-Id": {"req_1"}, "Request-Id": {"other"}}, "req_1"},
		"Anthropic's":  {http.Header{"Request-Id": {"req_2"}}, "req_2"},
		"long":         {http.Header{"X-Request-Id": {strings.Repeat("x", 200)}}, strings.Repeat("x", 128)},
		"not a text":   {http.Header{"X-Request-Id": {"a\tb\xff"}}, "a\tb\ufffd"},
		"none":         {http.Header{}, nil},
		"not answered": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, &recorder{reply: func(*http.Request) (*http.Response, error) {
				if tt.header == nil {
					return nil, fmt.Errorf("sending: %w", mismatch{})
				}
				resp := answer(http.StatusServiceUnavailable, "application/json", strings.NewReader(`{"error":"busy"}`))
				maps.Copy(resp.Header, tt.header)
				return resp, nil
			}}, testConfig(t))
			do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
			if got := r.log.line(t, map[string]any{"message": "request"})["upstream_id"]; got != tt.want {
				t.Errorf("the log has %q, want %q", got, tt.want)
			}
		})
	}
}
