package proxy_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/proxy"
)

var errTimeout = os.ErrDeadlineExceeded

// verifyLeaf verifies what a server presented.
func verifyLeaf(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
	return err
}

// newTLSServer is a server without a route, with a certificate of its own CA.
func newTLSServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// listen serves each connection of a bare TCP server.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// greet is a server that speaks first.
func greet(c net.Conn) {
	_, _ = c.Write([]byte{0})
	echo(c)
}

func TestTunnelToAHostWithoutRoute(t *testing.T) {
	t.Parallel()
	s := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "own TLS, "+r.Host) })
	r := start(t, new(recorder), testConfig(t))
	client := r.client()
	client.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	resp, body := get(t, client, s.URL)
	if resp.StatusCode != http.StatusOK || body != "own TLS, "+s.Listener.Addr().String() {
		t.Fatalf("%s %s", resp.Status, body)
	}
	client.CloseIdleConnections()
	line := r.log.line(t, map[string]any{"message": "tunnel", "host": "127.0.0.1"})
	if line["reply_bytes"].(float64) == 0 || line["request_bytes"].(float64) == 0 {
		t.Errorf("no traffic counted: %v", line)
	}
}

// openings are what clients of other protocols may send first, and of HTTP in ways
// that some server may understand.
func openings() map[string]string {
	chat := post("/v1/chat/completions", "a.example", "")
	return map[string]string{
		"binary":                     "\x00\x01\x02",
		"begins like a POST":         "PO",
		"begins with get":            "get key\r\n",
		"SSH":                        "SSH-2.0-x\r\n",
		"one byte":                   "G",
		"large":                      strings.Repeat("x", 1<<20),
		"HTTP/2":                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"a chat, two spaces":         strings.Replace(chat, " ", "  ", 1),
		"a chat, a tab":              strings.Replace(chat, " ", "\t", 1),
		"a chat, a NUL first":        "\x00" + chat,
		"a chat, a byte order mark":  "\ufeff" + chat,
		"a chat, a vertical tab":     "\v" + chat,
		"a chat, another line first": "HELO\r\n" + chat,
		"a chat, by QUERY":           strings.Replace(chat, "POST", "QUERY", 1),
		"a chat, by TRACE":           strings.Replace(chat, "POST", "TRACE", 1),
		"a chat, to ws":              strings.Replace(chat, "/v1", "ws://a.example/v1", 1),
		"a chat, no slash":           strings.Replace(chat, "/v1", "v1", 1),
		"a chat, a question mark":    strings.Replace(chat, "/v1", "?/v1", 1),
	}
}

// counting serves one connection: it does what is first, and then counts the bytes
// that it gets.
func counting(t *testing.T, first func(net.Conn)) (addr string, got <-chan int64) {
	t.Helper()
	count := make(chan int64, 1)
	addr = listen(t, func(c net.Conn) {
		first(c)
		n, _ := io.Copy(io.Discard, c)
		count <- n
	})
	return addr, count
}

// What is neither TLS nor HTTP/1 could be content in clear all the same. The
// server ends its side without a word, and would read on.
func TestT49_NothingInClearIsTunnelled(t *testing.T) {
	t.Parallel()
	for name, sent := range openings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, got := counting(t, func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() })
			r := start(t, new(recorder), testConfig(t))
			c := r.connect(addr)
			_, _ = io.WriteString(c.Conn, sent)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			if _, err := io.ReadAll(c); errors.Is(err, errTimeout) {
				t.Error("the tunnel stays open")
			}
			if n := <-got; n != 0 {
				t.Fatalf("the server got %d bytes", n)
			}
			r.log.line(t, map[string]any{"code": "plain_tunnel", "host": "127.0.0.1"})
			if n := metric(t, r, `sealcar_refused_total{code="plain_tunnel",route="none"}`); n != "1" {
				t.Errorf("%s are counted", n)
			}
		})
	}
}

func TestTunnelToASilentServerIsRefused(t *testing.T) {
	t.Parallel()
	addr, got := counting(t, func(net.Conn) {})
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.ReadHeader = 3 * time.Second }))
	c := r.connect(addr)
	c.send("get key\r\n")
	c.ended()
	if n := <-got; n != 0 {
		t.Errorf("the server got %d bytes", n)
	}
}

func TestUnsafePlainTunnelsCarryOtherProtocols(t *testing.T) {
	t.Parallel()
	for name, sent := range openings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Egress.UnsafePlainTunnels = true }))
			c := r.connect(listen(t, echo))
			go func() {
				_, _ = io.WriteString(c.Conn, sent)
				_ = c.Conn.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || string(got) != sent {
				t.Errorf("got %d bytes (%v), want %d", len(got), err, len(sent))
			}
			r.log.line(t, map[string]any{"message": "tunnel", "treatment": "plaintext"})
			if n := metric(t, r, `sealcar_plaintext_total{route="none"}`); n != "1" {
				t.Errorf("%s are counted", n)
			}
		})
	}
}

// gRPC in clear: its server may speak before it has heard the client.
func TestTunnelRefusesHTTP2WhoeverSpeaksFirst(t *testing.T) {
	t.Parallel()
	addr, got := counting(t, func(c net.Conn) { _, _ = io.WriteString(c, "\x00\x00\x00\x04\x00\x00\x00\x00\x00") })
	r := start(t, new(recorder), testConfig(t))
	c := r.connect(addr)
	if _, err := io.ReadFull(c.r, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	c.ended()
	if n := <-got; n != 0 {
		t.Errorf("the server got %d bytes", n)
	}
}

func TestTunnelLetsTheServerSpeakFirst(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 hello\r\n")
		echo(c)
	})
	r := start(t, new(recorder), testConfig(t))
	c := r.connect(addr)
	if line, err := c.r.ReadString('\n'); err != nil || line != "220 hello\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	c.send("EHLO me\r\n")
	if line, err := c.r.ReadString('\n'); err != nil || line != "EHLO me\r\n" {
		t.Fatalf("%q %v", line, err)
	}
}

func TestTunnelRefusesHTTPToAServerThatSpokeFirst(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	addr := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 hello\r\n")
		b, _ := io.ReadAll(c)
		got <- string(b)
	})
	r := start(t, new(recorder), testConfig(t))
	c := r.connect(addr)
	if _, err := c.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.send(post("/v1/chat/completions", addr, ""))
	c.ended()
	if b := <-got; b != "" {
		t.Errorf("the server got %q", b)
	}
}

// hello is the ClientHello of a client that asks for serverName.
func hello(t *testing.T, serverName string) []byte {
	t.Helper()
	var sent bytes.Buffer
	conn := &captureConn{w: &sent}
	_ = tls.Client(conn, &tls.Config{ServerName: serverName, InsecureSkipVerify: true}).HandshakeContext(t.Context())
	return sent.Bytes()
}

// captureConn keeps what is written and ends every read.
type captureConn struct {
	net.Conn
	w io.Writer
}

func (c *captureConn) Write(b []byte) (int, error)      { return c.w.Write(b) }
func (c *captureConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (c *captureConn) Close() error                     { return nil }
func (c *captureConn) SetDeadline(time.Time) error      { return nil }
func (c *captureConn) SetWriteDeadline(time.Time) error { return nil }

// fragments splits a record's content into records of n bytes.
func fragments(record []byte, n int) []byte {
	var out []byte
	for content := record[5:]; len(content) > 0; {
		part := content[:min(n, len(content))]
		content = content[len(part):]
		out = append(out, record[0], record[1], record[2], byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

func TestTunnelRefusesAHelloForARoutedHost(t *testing.T) {
	t.Parallel()
	plain := hello(t, routedHost)
	cases := map[string]struct {
		sent  []byte
		slow  bool
		alert bool
	}{
		"plain":                 {plain, false, true},
		"upper case":            {hello(t, strings.ToUpper(routedHost)), false, true},
		"second route":          {hello(t, thirdHost), false, true},
		"byte by byte":          {plain, true, true},
		"in many records":       {fragments(plain, 7), false, true},
		"behind a CCS":          {append([]byte{0x14, 3, 3, 0, 1, 1}, plain...), false, false},
		"behind an alert":       {append([]byte{0x15, 3, 3, 0, 2, 1, 0}, plain...), false, false},
		"behind data":           {append([]byte{0x17, 3, 3, 0, 1, 0}, plain...), false, false},
		"a chat, a blank first": {[]byte(" " + post("/v1/chat/completions", "a.example", "")), false, false},
		"a chat, lines first":   {[]byte("\r\n\r\n" + post("/v1/chat/completions", "a.example", "")), false, false},
		"blanks":                {bytes.Repeat([]byte("\r\n"), 600), false, false},
		"not a hello":           {append([]byte{0x16, 3, 1, 0, 4}, 2, 0, 0, 0), false, false},
		"no end of a hello":     {bytes.Repeat(append([]byte{0x16, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff}, make([]byte, 0x4000-4)...), 2), false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan int64, 1)
			addr := listen(t, func(c net.Conn) {
				n, _ := io.Copy(io.Discard, c)
				got <- n
			})
			r := start(t, new(recorder), testConfig(t))
			c := r.connect(addr)
			step := len(tc.sent)
			if tc.slow {
				step = 1
			}
			for b := tc.sent; len(b) > 0; b = b[min(step, len(b)):] {
				if _, err := c.Write(b[:min(step, len(b))]); err != nil {
					break // refused already
				}
			}
			reply, err := io.ReadAll(c)
			if errors.Is(err, errTimeout) {
				t.Fatal("the tunnel stays open")
			}
			if n := <-got; n != 0 {
				t.Errorf("the server got %d bytes", n)
			}
			if isAlert := len(reply) == 7 && reply[0] == 0x15 && reply[6] == 49; isAlert != tc.alert {
				t.Errorf("the client got %q", reply)
			}
			if tc.alert {
				r.log.line(t, map[string]any{"code": "routed_host_in_tunnel", "host": "127.0.0.1"})
			}
		})
	}
}

func TestTunnelHelloForARoutedPortOnly(t *testing.T) {
	t.Parallel()
	s := newTLSServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	ported := func(p string) *rig {
		return start(t, new(recorder), testConfig(t, func(c *config.Config) {
			c.Routes = append(c.Routes, config.Route{Name: "ported", Hosts: []string{"example.com:" + p}})
		}))
	}
	_, p, _ := net.SplitHostPort(s.Listener.Addr().String())
	dial := func(r *rig) error {
		conn := tls.Client(r.connect(s.Listener.Addr().String()), &tls.Config{ServerName: "example.com", RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
		return conn.HandshakeContext(t.Context())
	}
	if err := dial(ported("1")); err != nil {
		t.Errorf("a route for another port: %v", err)
	}
	if err := dial(ported(p)); err == nil {
		t.Error("a tunnel to the routed name and port passed")
	}
}

func TestPlainHTTPInATunnelIsForwardedUnderItsRules(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.URL, body)
	})
	addr := s.Listener.Addr().String()
	cases := map[string]struct {
		sent string
		want string // the reply, or a code
	}{
		"a page":                 {"GET /page?q=1 HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", "GET " + addr + " /page?q=1 "},
		"a page, absolute":       {"GET http://" + addr + "/page HTTP/1.1\r\nHost: x\r\n\r\n", "GET " + addr + " /page "},
		"a chat":                 {post("/v1/chat/completions", addr, ""), "unsealed_llm_call"},
		"a chat, lower case":     {strings.Replace(post("/v1/chat/completions", addr, ""), "POST", "post", 1), "unsealed_llm_call"},
		"a routed Host":          {post("/v1/chat/completions", routedHost, ""), "host_mismatch"},
		"a routed Host, GET":     {"GET /v1/models HTTP/1.1\r\nHost: " + routedHost + "\r\n\r\n", "host_mismatch"},
		"a routed absolute-form": {post("http://"+routedHost+"/v1/chat/completions", addr, ""), "host_mismatch"},
		"another CONNECT":        {"CONNECT " + routedHost + ":443 HTTP/1.1\r\nHost: x\r\n\r\n", "nested_connect"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, new(recorder), testConfig(t))
			c := r.connect(addr)
			for i := range len(tc.sent) { // however it is cut
				c.send(tc.sent[i : i+1])
			}
			resp, body := c.response()
			if strings.Contains(tc.want, " ") {
				if body != tc.want {
					t.Errorf("got %q, want %q", body, tc.want)
				}
				r.log.line(t, map[string]any{"door": "connect-plain", "treatment": "forwarded"})
				return
			}
			refusedWith(t, resp, body, http.StatusBadRequest, tc.want)
		})
	}
}

func TestTunnelDialFailures(t *testing.T) {
	t.Parallel()
	gone := listenAndClose(t)
	r := start(t, new(recorder), testConfig(t))
	resp, body := r.dial("CONNECT " + gone + " HTTP/1.1\r\nHost: x\r\n\r\n").response()
	refusedWith(t, resp, body, http.StatusBadGateway, "upstream_unreachable")
	resp, body = r.dial("CONNECT nowhere.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n").response()
	refusedWith(t, resp, body, http.StatusBadGateway, "upstream_unreachable")
}

// listenAndClose is an address where nobody listens.
func listenAndClose(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

func TestNoDialReachesOurselves(t *testing.T) {
	t.Parallel()
	everywhere := func(o *proxy.Options) { // as unsafe_listen with 0.0.0.0 has it
		o.Listen = func(network, _ string) (net.Listener, error) { return net.Listen(network, "0.0.0.0:0") }
	}
	c := testConfig(t)
	r := start(t, new(recorder), c, everywhere)
	admin, data := port(r.AdminAddr()), port(r.Addr())
	open := *c
	open.Egress.AllowedPorts = []int{admin} // it is the address that must not be reached
	if err := r.Reload(&open); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "127.1.2.3", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", localIP(t)} {
		at := fmt.Sprintf("%s:%d", host, admin)
		addr := fmt.Sprintf("127.0.0.1:%d", data)
		resp, body := dialTo(r, addr, "CONNECT "+at+" HTTP/1.1\r\nHost: x\r\n\r\n").response()
		refusedWith(t, resp, body, http.StatusBadRequest, "own_address")
		resp, body = dialTo(r, addr, "GET http://"+at+"/metrics HTTP/1.1\r\nHost: x\r\n\r\n").response()
		refusedWith(t, resp, body, http.StatusBadRequest, "own_address")
		resp, body = dialTo(r, addr, fmt.Sprintf("GET http://%s:%d/nowhere HTTP/1.1\r\nHost: x\r\n\r\n", host, data)).response()
		refusedWith(t, resp, body, http.StatusBadRequest, "no_route") // base-URL mode
	}
}

// dialTo is rig.dial for a listener that Addr does not name well.
func dialTo(r *rig, addr, text string) *raw {
	r.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return (&raw{Conn: conn, t: r.t}).sent(text)
}

// localIP is an address of this machine that is not loopback, or loopback.
func localIP(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

func TestIdleTunnelEnds(t *testing.T) {
	t.Parallel()
	addr := listen(t, echo)
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) {
		c.Timeouts.Idle = 100 * time.Millisecond
		c.Egress.UnsafePlainTunnels = true
	}))
	used := r.connect(addr)
	used.send("\x00")
	if b, err := used.r.ReadByte(); err != nil || b != 0 {
		t.Fatal(b, err)
	}
	silent := r.connect(listen(t, echo))
	for _, c := range []*raw{used, silent} {
		if _, err := io.Copy(io.Discard, c); errors.Is(err, errTimeout) {
			t.Fatal("an idle tunnel stays open")
		}
	}
}

// noHijack is a response writer as of a server that cannot hand its connection
// over.
type noHijack struct{ http.ResponseWriter }

func TestFailedHijackLeaksNoConnection(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	addr := listen(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		closed <- err
	})
	r := start(t, new(recorder), testConfig(t))
	req := httptest.NewRequestWithContext(t.Context(), http.MethodConnect, addr, http.NoBody)
	r.ServeHTTP(noHijack{httptest.NewRecorder()}, req)
	if err := <-closed; err != nil {
		t.Errorf("the server's side: %v", err)
	}
}

func TestMetricsOfTunnels(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	has := func(series, want string) {
		t.Helper()
		eventually(t, func() bool { return metric(t, r, series) == want }, func() string {
			return fmt.Sprintf("%s is %s, want %s", series, metric(t, r, series), want)
		})
	}
	carried := r.connect(listen(t, greet))
	carried.send("SSH-2.0-x\r\n")
	has("sealcar_open_tunnels", "1")
	_ = carried.Close()
	refused := r.connect(listen(t, echo))
	refused.send(string(hello(t, routedHost)))
	failed := r.connect(listen(t, echo))
	failed.send("\x16\x03\x01\x00\x04\x02\x00\x00\x00") // no hello
	plain := r.connect(newServer(t, func(http.ResponseWriter, *http.Request) {}).Listener.Addr().String())
	plain.send("GET / HTTP/1.1\r\n")
	for _, result := range []string{"carried", "refused", "failed", "http"} {
		has(`sealcar_tunnels_total{result="`+result+`"}`, "1")
	}
	has("sealcar_open_tunnels", "0")
}
