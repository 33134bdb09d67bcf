package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sealcar/config"
)

const chat = `{"model":"m","messages":[]}`

// post is a request as text, for a path and Host.
func post(target, host, extra string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: app/1\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n%sContent-Length: %d\r\n\r\n%s", target, host, extra, len(chat), chat)
}

// insideTLS speaks TLS over a connection and trusts the rig's CA.
func (c *raw) insideTLS(r *rig, serverName string) *tls.Conn {
	c.t.Helper()
	conn := tls.Client(c, &tls.Config{RootCAs: r.roots(), ServerName: serverName, NextProtos: []string{"h2", "http/1.1"}})
	if err := conn.HandshakeContext(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

func TestEveryDoorGivesTheSameUpstreamRequest(t *testing.T) {
	t.Parallel()
	const path = "/v1/chat/completions?a=b;c&d=%zz"
	doors := map[string]func(*rig) *raw{
		"absolute": func(r *rig) *raw {
			return r.dial(post("http://"+routedHost+path, routedHost, "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n"))
		},
		"absolute, https":               func(r *rig) *raw { return r.dial(post("https://"+routedHost+path, routedHost, "")) },
		"absolute, another Host header": func(r *rig) *raw { return r.dial(post("http://"+routedHost+path, "evil.example.com", "")) },
		"absolute, other spelling":      func(r *rig) *raw { return r.dial(post("http://ARK.Example.com.:80"+path, routedHost, "")) },
		"mapped path": func(r *rig) *raw {
			return r.dial(post("http://"+routedHost+strings.Replace(path, "/v1", "/api/v3", 1), routedHost, "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"))
		},
		"h2c offered": func(r *rig) *raw {
			return r.dial(post("http://"+routedHost+path, routedHost, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTE: trailers\r\n"))
		},
		"h2c offered by half": func(r *rig) *raw {
			return r.dial(post("http://"+routedHost+path, routedHost, "Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"))
		},
		"CONNECT 1.1, TLS": func(r *rig) *raw {
			c := r.connect(routedHost + ":443")
			inner := c.insideTLS(r, routedHost)
			if got := inner.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("ALPN chose %q", got)
			}
			return (&raw{Conn: inner, t: t}).sent(post(path, routedHost, ""))
		},
		"CONNECT 1.0, TLS": func(r *rig) *raw {
			c := r.dial("CONNECT " + routedHost + ":443 HTTP/1.0\r\n\r\n")
			c.established()
			return (&raw{Conn: c.insideTLS(r, routedHost), t: t}).sent(post(path, routedHost+":443", ""))
		},
		"CONNECT, plaintext": func(r *rig) *raw {
			c := r.connect(routedHost + ":80")
			c.send(post(path, routedHost, ""))
			return c
		},
		"CONNECT, all at once (T49)": func(r *rig) *raw {
			c := r.dial("CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: " + routedHost + ":80\r\n\r\n" + post(path, routedHost, ""))
			c.established()
			return c
		},
		"base URL":                 func(r *rig) *raw { return r.dial(post(path, r.Addr().String(), "")) },
		"base URL, forwarded port": func(r *rig) *raw { return r.dial(post(path, "localhost:18080", "")) },
		"base URL, IPv6 loopback":  func(r *rig) *raw { return r.dial(post(path, "[::1]", "")) },
		"base URL, allowed host":   func(r *rig) *raw { return r.dial(post(path, "sealcar.svc:8080", "")) },
		"base URL, own Origin": func(r *rig) *raw {
			return r.dial(post(path, r.Addr().String(), "Origin: http://"+r.Addr().String()+"\r\n"))
		},
		"routed Host on our port": func(r *rig) *raw { return r.dial(post(path, fmt.Sprintf("%s:%d", routedHost, port(r.Addr())), "")) },
		"own address, absolute":   func(r *rig) *raw { return r.dial(post(r.url(path), r.Addr().String(), "")) },
		"localhost, absolute": func(r *rig) *raw {
			return r.dial(post(fmt.Sprintf("http://localhost:%d%s", port(r.Addr()), path), "localhost", ""))
		},
		"own address, CONNECT (T49)": func(r *rig) *raw {
			c := r.connect(r.Addr().String())
			c.send(post(path, r.Addr().String(), ""))
			return c
		},
	}
	want := seen{
		Method: "POST", URL: "https://" + routedHost + "/api/v3/chat/completions?a=b;c&d=%zz", Host: routedHost, Body: chat,
		Header: http.Header{
			"Authorization": {"Bearer key"}, "Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(chat))},
			"User-Agent": {"app/1"}, "X-Forwarded-For": {"1.2.3.4"}, "Forwarded": {"for=1.2.3.4"},
		},
	}
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := new(recorder)
			resp, body := door(start(t, upstream, testConfig(t))).response()
			if resp.StatusCode != http.StatusOK || body != `{"ok":true}` {
				t.Fatalf("got %s %s", resp.Status, body)
			}
			got := upstream.only(t)
			got.Header.Del("Origin")
			if !reflect.DeepEqual(got, want) {
				t.Errorf("upstream got\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// sent sends and prepares to read.
func (c *raw) sent(text string) *raw {
	c.t.Helper()
	c.r = bufio.NewReader(c.Conn)
	c.send(text)
	return c
}

func port(a net.Addr) int { return a.(*net.TCPAddr).Port }

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		request string // $ADDR is the data port, $PORT its port
		status  int
		code    string
	}{
		"T40: a rebound name":                   {post("/v1/chat/completions", "evil.example.com:$PORT", ""), 400, "unknown_host"},
		"T40: a rebound name, trailing dot":     {post("/v1/chat/completions", "localhost.evil.example.com.", ""), 400, "unknown_host"},
		"T40: a foreign address":                {post("/v1/chat/completions", "192.0.2.1:$PORT", ""), 400, "unknown_host"},
		"T40: a Host that is none":              {post("/v1/chat/completions", "127.0.0.1:99999", ""), 400, "unknown_host"},
		"T40: no Host":                          {"GET /v1/models HTTP/1.0\r\n\r\n", 400, "unknown_host"},
		"T40: a web page":                       {post("/v1/chat/completions", "$ADDR", "Origin: https://evil.example.com\r\n"), 400, "browser_origin"},
		"T40: a page without origin":            {post("/v1/chat/completions", "$ADDR", "Origin: null\r\n"), 400, "browser_origin"},
		"T40: a page of another local port":     {post("/v1/chat/completions", "$ADDR", "Origin: http://127.0.0.1:1\r\n"), 400, "browser_origin"},
		"T40: a page by https at our port":      {post("/v1/chat/completions", "$ADDR", "Origin: https://$ADDR\r\n"), 400, "browser_origin"},
		"T40: a page to a routed Host":          {post("/v1/chat/completions", routedHost, "Origin: https://evil.example.com\r\n"), 400, "browser_origin"},
		"T40: a page through us as proxy":       {post("http://$ADDR/v1/chat/completions", "$ADDR", "Origin: https://evil.example.com\r\n"), 400, "browser_origin"},
		"T41: metrics on the data port":         {"GET /metrics HTTP/1.1\r\nHost: $ADDR\r\n\r\n", 400, "no_route"},
		"T41: readiness on the data port":       {"GET /readyz HTTP/1.1\r\nHost: $ADDR\r\n\r\n", 400, "no_route"},
		"T41: the admin port by proxy":          {"GET http://$ADMIN/metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400, "own_address"},
		"a base path's neighbour":               {post("/v10/chat/completions", "$ADDR", ""), 400, "no_route"},
		"OPTIONS *":                             {"OPTIONS * HTTP/1.1\r\nHost: $ADDR\r\n\r\n", 400, "no_route"},
		"OPTIONS * of a stranger":               {"OPTIONS * HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", 400, "unknown_host"},
		"T48: credentials in the URL":           {post("http://"+routedHost+"@evil.example.com/v1/chat/completions", "x", ""), 400, "invalid_host"},
		"T45: a host beyond ASCII":              {post("http://ark.ex%EF%BD%81mple.com/v1/chat/completions", "x", ""), 400, "invalid_host"},
		"an unknown scheme":                     {post("ftp://"+routedHost+"/v1/chat/completions", "x", ""), 400, "unsupported_scheme"},
		"a routed host's other port":            {"GET http://" + routedHost + ":8080/v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 400, "routed_host_port"},
		"CONNECT to a routed host's other port": {"CONNECT " + routedHost + ":8443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "routed_host_port"},
		"CONNECT without a port":                {"CONNECT " + routedHost + " HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_host"},
		"CONNECT with a path":                   {"CONNECT /path HTTP/1.1\r\nHost: " + routedHost + ":443\r\n\r\n", 400, "invalid_host"},
		"CONNECT to the admin port":             {"CONNECT $ADMIN HTTP/1.1\r\nHost: x\r\n\r\n", 400, "own_address"},
		"T53: websocket":                        {"GET http://" + routedHost + "/v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400, "upgrade_refused"},
		"T53: websocket behind h2c":             {"GET http://" + routedHost + "/v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n", 400, "upgrade_refused"},
		"T54: encoded dots":                     {post("http://"+routedHost+"/v1/%2e%2e/x", "x", ""), 400, "ambiguous_path"},
		"T54: base URL, parameters":             {post("/v1/chat;x/completions", "$ADDR", ""), 400, "ambiguous_path"},
		"T54: CONNECT, empty segment":           {"CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n\r\n" + post("//v1/chat/completions", routedHost, ""), 400, "ambiguous_path"},
		"CONNECT, another Host inside":          {"CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n\r\n" + post("/v1/chat/completions", otherHost, ""), 400, "host_mismatch"},
		"CONNECT, another port inside":          {"CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n\r\n" + post("/v1/chat/completions", routedHost+":443", ""), 400, "host_mismatch"},
		"CONNECT, absolute-form inside":         {"CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n\r\n" + post("http://"+otherHost+"/v1/x", routedHost, ""), 400, "host_mismatch"},
		"CONNECT in a CONNECT":                  {"CONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n\r\nCONNECT " + routedHost + ":80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "nested_connect"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := new(recorder)
			r := start(t, upstream, testConfig(t))
			fill := strings.NewReplacer("$ADDR", r.Addr().String(), "$PORT", fmt.Sprint(port(r.Addr())), "$ADMIN", r.AdminAddr().String())
			c := r.dial(fill.Replace(tc.request))
			if strings.Contains(tc.request, "Host: x\r\n\r\n"+"POST") || strings.Contains(tc.request, "Host: x\r\n\r\nCONNECT") {
				c.established()
			}
			resp, body := c.response()
			refusedWith(t, resp, body, tc.status, tc.code)
			if len(upstream.all()) != 0 {
				t.Errorf("something was sent: %+v", upstream.all())
			}
			if resp.Header.Get("X-Should-Retry") != "false" {
				t.Error("a refusal invites to try again")
			}
		})
	}
}

func TestNoRouteNamesTheBasePaths(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	_, body := get(t, http.DefaultClient, r.url("/nowhere"))
	for _, want := range []string{"/v1", "/api/v3", "/third", "/up"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in %s", want, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		url  string
		want string
	}{
		"second host keeps its name":   {"http://" + otherHost + "/v1/models", "https://" + otherHost + "/api/v3/models"},
		"second route":                 {"http://" + thirdHost + "/third/models", "https://" + thirdHost + "/up/models"},
		"base path of second route":    {"http://$ADDR/third/models", "https://" + thirdHost + "/up/models"},
		"target path of second route":  {"http://$ADDR/up/models", "https://" + thirdHost + "/up/models"},
		"the base path itself":         {"http://$ADDR/v1", "https://" + routedHost + "/api/v3"},
		"not at a segment boundary":    {"http://" + routedHost + "/v1x/models", "https://" + routedHost + "/v1x/models"},
		"a path of no base":            {"http://" + routedHost + "/other", "https://" + routedHost + "/other"},
		"escapes stay as they are":     {"http://" + routedHost + "/v1/models/a%3Ab%20c", "https://" + routedHost + "/api/v3/models/a%3Ab%20c"},
		"case matters":                 {"http://" + routedHost + "/V1/models", "https://" + routedHost + "/V1/models"},
		"upstream of the route":        {"http://own.example.com/v1/models", "https://enclave.example.com:8443/api/v3/models"},
		"upstream in base-URL mode":    {"http://$ADDR/own/models", "https://enclave.example.com:8443/api/v3/models"},
		"a host with a port":           {"http://ported.example.com:9000/models", "https://ported.example.com:9000/models"},
		"an address":                   {"http://[2001:db8::1]/models", "https://[2001:db8::1]/models"},
		"an address, another spelling": {"http://[2001:DB8:0:0::1]:443/models", "https://[2001:db8::1]/models"},
	}
	change := func(c *config.Config) {
		c.Routes = append(c.Routes,
			config.Route{Name: "own", Hosts: []string{"own.example.com"}, Upstream: "https://enclave.example.com:8443", BasePaths: []config.BasePath{{From: "/v1", To: "/api/v3"}, {From: "/own", To: "/api/v3"}}},
			config.Route{Name: "ported", Hosts: []string{"ported.example.com:9000"}},
			config.Route{Name: "address", Hosts: []string{"[2001:db8::1]"}},
		)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := new(recorder)
			r := start(t, upstream, testConfig(t, change))
			target := strings.Replace(tc.url, "$ADDR", r.Addr().String(), 1)
			resp, body := r.dial("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n").response()
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("got %s %s", resp.Status, body)
			}
			if got := upstream.only(t); got.URL != tc.want || "https://"+got.Host != tc.want[:len("https://")+len(got.Host)] {
				t.Errorf("went to %s (Host %s), want %s", got.URL, got.Host, tc.want)
			}
		})
	}
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) {
		c.AllowedHosts = []string{"any.example.com", "one.example.com:8080", "web.example.com:80", "[2001:db8::1]:8080", "192.0.2.7"}
	}))
	for host, want := range map[string]bool{
		"any.example.com":        true,
		"ANY.example.com.:1234":  true,
		"one.example.com:8080":   true,
		"one.example.com":        false,
		"one.example.com:8081":   false,
		"web.example.com":        true,
		"web.example.com:443":    false,
		"[2001:db8::1]:8080":     true,
		"[2001:db8::1]":          false,
		"192.0.2.7:9":            true,
		"sub.any.example.com":    false,
		"other.example.com:8080": false,
	} {
		resp, body := r.dial(post("/v1/chat/completions", host, "")).response()
		if want {
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s %s", host, resp.Status, body)
			}
			continue
		}
		refusedWith(t, resp, body, http.StatusBadRequest, "unknown_host")
	}
}
