package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sealcar/config"
)

func TestInterceptedTLSByServerName(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		target, sni string
		host        string // of the request inside; "" when the handshake is refused
		want        string // where it goes
	}{
		"the same name":                {routedHost + ":443", routedHost, routedHost, routedHost},
		"no name":                      {routedHost + ":443", "", routedHost, routedHost},
		"another host of the route":    {routedHost + ":443", otherHost, otherHost, otherHost},
		"a host of another route":      {routedHost + ":443", thirdHost, "", ""},
		"a host without a route":       {routedHost + ":443", "evil.example.com", "", ""},
		"TLS on port 80":               {routedHost + ":80", routedHost, routedHost, routedHost},
		"upper case":                   {strings.ToUpper(routedHost) + ":443", strings.ToUpper(routedHost), routedHost, routedHost},
		"our own address has no leaf":  {"$ADDR", "localhost", "", ""},
		"our own address, and no name": {"$ADDR", "", "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := new(recorder)
			r := start(t, upstream, testConfig(t))
			c := r.connect(strings.Replace(tc.target, "$ADDR", r.Addr().String(), 1))
			verify := strings.ToLower(tc.sni)
			if verify == "" {
				verify = routedHost
			}
			roots := r.roots()
			inner := tls.Client(c, &tls.Config{
				ServerName:         tc.sni,
				InsecureSkipVerify: true, // verified below, for names that differ from ServerName
				VerifyConnection: func(s tls.ConnectionState) error {
					return verifyLeaf(s.PeerCertificates, roots, verify)
				},
			})
			err := inner.HandshakeContext(t.Context())
			if tc.host == "" {
				if err == nil {
					t.Fatal("the handshake succeeded")
				}
				r.log.line(t, map[string]any{"level": "warn", "message": "connection ended before its first request"})
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			resp, body := (&raw{Conn: inner, t: t}).sent(post("/v1/chat/completions", tc.host, "")).response()
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("%s %s", resp.Status, body)
			}
			if got := upstream.only(t); got.Host != tc.want {
				t.Errorf("went to %s, want %s", got.Host, tc.want)
			}
		})
	}
}

func TestInterceptedConnectionServesManyRequests(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	client := r.client()
	for range 3 {
		if resp, _ := get(t, client, "https://"+routedHost+"/v1/models"); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	if n := len(upstream.all()); n != 3 {
		t.Fatalf("%d requests", n)
	}
	r.log.line(t, map[string]any{"message": "request", "door": "connect-tls", "route": "ark", "status": 200.0})
}

func TestClientThatDoesNotTrustTheCAIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	shakeHands := func(version uint16) func(*raw) {
		return func(c *raw) {
			if tls.Client(c, &tls.Config{ServerName: routedHost, MaxVersion: version}).HandshakeContext(t.Context()) == nil {
				t.Error("a stranger's certificate was taken")
			}
		}
	}
	// answerWith takes the first bytes of our side of the handshake, and ends it.
	answerWith := func(answer string) func(*raw) {
		return func(c *raw) {
			c.send(string(hello(t, routedHost)))
			if _, err := c.r.ReadByte(); err != nil {
				t.Error(err)
			}
			c.send(answer)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}
	}
	for name, client := range map[string]func(*raw){
		"an alert, TLS 1.2":        shakeHands(tls.VersionTLS12),
		"an alert, TLS 1.3":        shakeHands(tls.VersionTLS13),
		"an alert in clear (curl)": answerWith("\x15\x03\x03\x00\x02\x02\x30"),
		"no word":                  answerWith(""), // which is no reason to warn: so does who wants nothing any more
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			level := "warn"
			if name == "no word" {
				level = "info"
			}
			r := start(t, new(recorder), testConfig(t))
			client(r.connect(routedHost + ":443"))
			line := r.log.line(t, map[string]any{"level": level, "host": routedHost})
			if line["ca"] != r.CAFiles().CA {
				t.Errorf("the log does not name ca.crt: %v", line)
			}
		})
	}
}

func TestHandshakeThatWeEndIsNotBlamedOnTrust(t *testing.T) {
	t.Parallel()
	quick := func(c *config.Config) { c.Timeouts.ReadHeader = 3 * time.Second } // long enough for the hello
	for name, tc := range map[string]struct {
		change func(*config.Config)
		sni    string
		stop   bool
	}{
		"a server name of no route": {func(*config.Config) {}, "evil.example.com", false},
		"a timeout":                 {quick, routedHost, false},
		"a stop":                    {func(*config.Config) {}, routedHost, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, new(recorder), testConfig(t, tc.change))
			c := r.connect(routedHost + ":443")
			c.send(string(hello(t, tc.sni)))
			if _, err := c.r.ReadByte(); err != nil {
				t.Fatal(err)
			}
			if tc.stop {
				if err := r.stop(); err != nil {
					t.Fatal(err)
				}
			}
			line := r.log.line(t, map[string]any{"level": "warn", "host": routedHost})
			if line["ca"] != nil {
				t.Errorf("the log: %v", line)
			}
		})
	}
}

func TestTooManyConnectsAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	free := r.FillPreambles()
	resp, body := r.dial("CONNECT " + routedHost + ":443 HTTP/1.1\r\nHost: x\r\n\r\n").response()
	refusedWith(t, resp, body, http.StatusServiceUnavailable, "busy")
	if resp.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", resp.Header.Get("Retry-After"))
	}
	r.connect(listen(t, echo)) // tunnels are not counted
	free()
	c := r.connect(routedHost + ":443")
	c.insideTLS(r, routedHost)
}

func TestT74_SilentPreambleEnds(t *testing.T) {
	t.Parallel()
	c := testConfig(t, func(c *config.Config) { c.Timeouts.ReadHeader = 50 * time.Millisecond })
	r := start(t, new(recorder), c)
	for name, sent := range map[string]string{"nothing": "", "half a hello": "\x16\x03\x01\x02\x00\x01", "half a header": "POST /v1 HTTP/1.1\r\nHo"} {
		conn := r.connect(routedHost + ":443")
		conn.send(sent)
		if _, err := io.Copy(io.Discard, conn); err != nil && errors.Is(err, errTimeout) {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
	}
	outside := r.dial("GET / HT")
	if _, err := io.Copy(io.Discard, outside); err != nil && errors.Is(err, errTimeout) {
		t.Errorf("half a request stays open: %v", err)
	}
}

func TestConnectRefusalIsADocumentAndKeepsTheConnection(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Egress.Default = "deny" }))
	c := r.dial("CONNECT blocked.example.com:443 HTTP/1.1\r\nHost: blocked.example.com:443\r\n\r\n")
	resp, body := c.response()
	refusedWith(t, resp, body, http.StatusBadRequest, "egress_denied")
	if resp.ContentLength != int64(len(body)) {
		t.Errorf("Content-Length %d for %d bytes", resp.ContentLength, len(body))
	}
	c.send("CONNECT " + routedHost + ":443 HTTP/1.1\r\nHost: x\r\n\r\n")
	c.established()
	r.log.line(t, map[string]any{"message": "request", "door": "connect", "host": "blocked.example.com", "code": "egress_denied", "status": 400.0})
}

func TestT49_BytesBehindConnectAreAClientHello(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	c := r.dial("")
	// The hello leaves in the same segment as the CONNECT, before any answer.
	joined := &joinFirstWrite{raw: c, first: "CONNECT " + routedHost + ":443 HTTP/1.1\r\nHost: x\r\n\r\n"}
	inner := tls.Client(joined, &tls.Config{RootCAs: r.roots(), ServerName: routedHost})
	resp, body := (&raw{Conn: inner, t: t}).sent(post("/v1/chat/completions", routedHost, "")).response()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	upstream.only(t)
}

// joinFirstWrite sends text in front of its first write, and takes the answer
// to it away before the first read.
type joinFirstWrite struct {
	*raw
	first    string
	answered bool
}

func (j *joinFirstWrite) Write(b []byte) (int, error) {
	first := j.first
	j.first = ""
	n, err := j.raw.Write(append([]byte(first), b...))
	return max(0, n-len(first)), err
}

func (j *joinFirstWrite) Read(b []byte) (int, error) {
	if !j.answered {
		j.answered = true
		j.established()
	}
	return j.raw.Read(b)
}

func TestReloadedAwayHostIsNotForwardedFromItsOldConnection(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	r := start(t, new(recorder), c)
	inner := r.connect(routedHost+":443").insideTLS(r, routedHost)
	conn := (&raw{Conn: inner, t: t, r: bufio.NewReader(inner)})
	next := *c
	next.Routes = c.Routes[1:]
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	conn.send(post("/v1/chat/completions", routedHost, ""))
	resp, body := conn.response()
	refusedWith(t, resp, body, http.StatusBadRequest, "no_route")
}
