package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/config"
)

// payload is bytes that two readers could take for different requests, and what
// becomes of them. {to} and {host} stand for a request target and a Host with
// which the door leads to the upstream.
//
// Trailers are the one difference between routes and other hosts: they pass to
// the latter.
type payload struct {
	name string
	sent string

	// want is what each request in the bytes was answered with, then what reached
	// the upstream: METHOD and body of each. Behind every payload comes a probe
	// on the same connection. It is answered only if the payload ended where
	// sealcar thinks it did and left the connection open.
	want string
}

const (
	line   = "POST {to} HTTP/1.1\r\nHost: {host}\r\n"
	chunks = "Transfer-Encoding: chunked\r\n\r\n"
	inner  = "POST {to} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\n\r\npoison"
	probe  = "GET {to} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
)

// smuggling is the verdict table: what net/http's parser and the doors decide is
// fixed here, so that a change of either is seen. One request in the bytes is
// never two upstream.
func smuggling() []payload {
	return []payload{
		// Lengths (RFC 9112 section 6.3).
		{"one length", line + "Content-Length: 1\r\n\r\na", "200 200: POST a, GET"},
		{"a length and chunks", line + "Content-Length: 4\r\n" + chunks + "1\r\na\r\n0\r\n\r\n", "200 200: POST a, GET"},
		{"chunks and a length", line + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\na\r\n0\r\n\r\n", "200 200: POST a, GET"},
		{"a length that hides a request behind chunks", line + "Content-Length: 1000\r\n" + chunks + "0\r\n\r\n", "200 200: POST, GET"},
		{"two lengths", line + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
		{"the same length twice", line + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "200 200: POST a, GET"},
		{"a list of lengths", line + "Content-Length: 1, 1\r\n\r\na", "400"},
		{"a negative length", line + "Content-Length: -1\r\n\r\n", "400"},
		{"a signed length", line + "Content-Length: +1\r\n\r\na", "400"},
		{"a hexadecimal length", line + "Content-Length: 0x1\r\n\r\na", "400"},
		{"an empty length", line + "Content-Length:\r\n\r\n", "400"},
		{"a length beyond 63 bits", line + "Content-Length: 18446744073709551617\r\n\r\na", "400"},
		{"a length with a space before the colon", line + "Content-Length : 1\r\n\r\na", "400"},
		{"a length with a vertical tab", line + "Content-Length: \x0b1\r\n\r\na", "400"},
		{"a request in the body of a GET", strings.Replace(line, "POST", "GET", 1) + "Content-Length: 4\r\n\r\nGET!", "200 200: GET GET!, GET"},

		// Codings (RFC 9112 section 6.1).
		{"chunks", line + chunks + "1\r\na\r\n0\r\n\r\n", "200 200: POST a, GET"},
		{"an unknown coding", line + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
		{"a coding in disguise", line + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		{"identity", line + "Transfer-Encoding: identity\r\n\r\n", "501"},
		{"chunked, identity", line + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501"},
		{"chunked twice", line + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "501"},
		{"chunked on two lines", line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501"},
		{"chunked in quotes", line + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501"},
		{"CHUNKED", line + "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "200 200: POST, GET"},
		{"no coding", line + "Transfer-Encoding:\r\n\r\n", "501"},
		{"a coding after a space", line + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
		{"a coding after a vertical tab", line + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400"},
		{"a folded coding", line + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "200 200: POST, GET"},
		{"chunks in HTTP/1.0", strings.Replace(line, "1.1", "1.0", 1) + "Connection: keep-alive\r\n" + chunks + inner, "200: POST"},

		// Chunks (RFC 9112 section 7.1).
		{"a chunk extension", line + chunks + "1;a=b\r\na\r\n0\r\n\r\n", "200 200: POST a, GET"},
		{"a bare LF in a chunk extension", line + chunks + "1;a\nb\r\na\r\n0\r\n\r\n", "400"}, // Go CVE-2025-22871
		{"a long chunk extension", line + chunks + "1;" + strings.Repeat("a", 10_000) + "\r\na\r\n0\r\n\r\n", "400"},
		{"a prefix on a chunk size", line + chunks + "0x1\r\na\r\n0\r\n\r\n", "400"},
		{"a sign on a chunk size", line + chunks + "+1\r\na\r\n0\r\n\r\n", "400"},
		{"a negative chunk size", line + chunks + "-1\r\na\r\n0\r\n\r\n", "400"},
		{"no chunk size", line + chunks + "\r\na\r\n0\r\n\r\n", "400"},
		{"a chunk size beyond 64 bits", line + chunks + "10000000000000001\r\na\r\n0\r\n\r\n", "400"},
		{"a chunk without its end", line + chunks + "1\r\nab0\r\n\r\n", "400"},
		{"a chunk that ends in LF", line + chunks + "1\na\n0\n\n", "400"},
		{"a trailer", line + "Trailer: X-A\r\n" + chunks + "0\r\nX-A: 1\r\n\r\n", "200 200: POST, GET"},
		{"a trailer that announces a length", line + "Trailer: Content-Length\r\n" + chunks + "0\r\nContent-Length: 5\r\n\r\n", "400"},
		{"a trailer that announces a coding", line + "Trailer: Transfer-Encoding\r\n" + chunks + "0\r\n\r\n", "400"},
		{"a trailer with a length", line + chunks + "0\r\nContent-Length: 5\r\nHost: other\r\nX-Session-Token: t\r\n\r\n", "200 200: POST, GET"},

		// Header lines (RFC 9112 section 5).
		{"a folded header", line + "X-A: 1\r\n Content-Length: 5\r\n\r\n", "200 200: POST, GET"},
		{"a folded first header", "POST {to} HTTP/1.1\r\n Host: {host}\r\n\r\n", "400"},
		{"bare LFs", "POST {to} HTTP/1.1\nHost: {host}\nContent-Length: 1\n\na", "200 200: POST a, GET"},
		{"a bare CR", line + "X-A: 1\rContent-Length: 5\r\n\r\n", "400"},
		{"a header without a name", line + ": x\r\n\r\n", "400"},
		{"a header without a colon", line + "X-A\r\n\r\n", "400"},
		{"a space in a name", line + "X A: 1\r\n\r\n", "400"},
		{"a NUL in a value", line + "X-A: \x00\r\n\r\n", "400"},
		{"a NUL in a name", line + "X\x00A: 1\r\n\r\n", "400"},
		{"a header beyond limits.header_bytes", line + "X-A: " + strings.Repeat("a", 1<<16) + "\r\n\r\n", "431"},
		{"a header far beyond it", line + "X-A: " + strings.Repeat("a", 1<<18) + "\r\n\r\n", "431"},
		{"two Authorizations", line + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", "400 200: GET"},
		{"two alike", line + "Authorization: Bearer a\r\nauthorization: Bearer a\r\n\r\n", "400 200: GET"},

		// Request lines (RFC 9112 section 3).
		{"two Hosts", line + "Host: {host}\r\n\r\n", "400"},
		{"no Host", "POST {to} HTTP/1.1\r\n\r\n", "400"},
		{"a list of Hosts", "POST {to} HTTP/1.1\r\nHost: {host}, other\r\n\r\n", "400"},
		{"a Host with credentials", "POST {to} HTTP/1.1\r\nHost: a@{host}\r\n\r\n", "400"},
		{"an unknown method", strings.Replace(line, "POST", "post", 1) + "\r\n", "200 200: post, GET"},
		{"a method with a tab", strings.Replace(line, "POST", "PO\tST", 1) + "\r\n", "400"},
		{"a very long method", strings.Replace(line, "POST", strings.Repeat("A", 1<<17), 1) + "\r\n", "431"},
		{"a space before the method", " " + line + "\r\n", "400"},
		{"an empty line before the request", "\r\n" + line + "\r\n", "400"},
		{"two spaces", strings.Replace(line, "POST ", "POST  ", 1) + "\r\n", "400"},
		{"a NUL in the target", strings.Replace(line, "{to}", "{to}\x00", 1) + "\r\n", "400"},
		{"HTTP/0.9", "GET {to}\r\n", "400"},
		{"HTTP/0.9 by name", "GET {to} HTTP/0.9\r\n\r\n", "505"},
		{"HTTP/1.2", strings.Replace(line, "1.1", "1.2", 1) + "\r\n", "200 200: POST, GET"},
		{"HTTP/2 by name", strings.Replace(line, "1.1", "2.0", 1) + "\r\n", "505"},
		{"an unknown expectation", line + "Expect: 200-ok\r\n\r\n", "417"},

		// Requests in a row.
		{"two requests", inner + inner, "200 200 200: POST poison, POST poison, GET"},
		{"a second one that is broken", inner + line + "X A: 1\r\n\r\n" + inner, "200 400: POST poison"},
		{"a second one in a longer body", line + "Content-Length: 7\r\n\r\nGET / H" + inner, "200 200 200: POST GET / H, POST poison, GET"},
	}
}

// doors are the ways in, with a target and a Host that lead to the upstream.
type door struct {
	name, to, host string
	open           func(t *testing.T, r *rig) *raw
}

func doors(r *rig, unrouted string) []door {
	bare := func(_ *testing.T, r *rig) *raw { return r.dial("") }
	connect := func(_ *testing.T, r *rig) *raw { return r.connect(routedHost + ":80") }
	return []door{
		{"absolute-form", routedURL, routedHost, bare},
		{"base URL", "/v1/chat/completions", r.Addr().String(), bare},
		{"CONNECT", "/v1/chat/completions", routedHost, connect},
		{"CONNECT with TLS", "/v1/chat/completions", routedHost, func(t *testing.T, r *rig) *raw {
			conn := r.connect(routedHost+":80").insideTLS(r, routedHost)
			return &raw{Conn: conn, t: t, r: bufio.NewReader(conn)}
		}},
		{"a host without a route", unrouted + "/x", "other", bare},
	}
}

func TestT51_SmugglingVerdicts(t *testing.T) {
	t.Parallel()
	for _, p := range smuggling() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			upstream := new(recorder)
			direct := newServer(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = upstream.RoundTrip(r) })
			r := start(t, upstream, testConfig(t))
			for _, d := range doors(r, direct.URL) {
				upstream.forget()
				fill := strings.NewReplacer("{to}", d.to, "{host}", d.host)
				c := d.open(t, r)
				_, _ = io.WriteString(c.Conn, fill.Replace(p.sent+probe)) // a refusal may come before the end of it
				got := verdict(c, upstream)
				if d.name == "a host without a route" {
					got = strings.Replace(got, ", Trailer", "", 1)
				}
				if got != p.want {
					t.Errorf("%s: got %q, want %q", d.name, got, p.want)
				}
			}
		})
	}
}

// Refusals of heads have codes, as all others do.
func TestT51_HeadsAreRefusedByAnErrorDocument(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	direct := newServer(t, nil)
	for _, d := range doors(r, direct.URL) {
		for code, head := range map[string]string{
			"headers_too_large": "X-A: " + strings.Repeat("a", 1<<16) + "\r\n",
			"repeated_header":   "authorization: Bearer canary\r\n", // besides the one that post has
		} {
			c := d.open(t, r)
			c.send(post(d.to, d.host, head))
			resp, body := c.response()
			refusedWith(t, resp, body, map[string]int{"headers_too_large": 431, "repeated_header": 400}[code], code)
			if strings.Contains(body, "canary") {
				t.Errorf("%s: the answer quotes a key: %s", d.name, body)
			}
		}
	}
}

func TestT51_AHeadOfTheLimitPasses(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, func(c *config.Config) { c.Limits.HeaderBytes = 8 << 10 }))
	size := len(post(routedURL, routedHost, "X-A: \r\n")) - len(chat)
	for more, want := range map[int]int{0: 200, 1: 431} {
		resp, _ := r.dial(post(routedURL, routedHost, "X-A: "+strings.Repeat("a", 8<<10-size+more)+"\r\n")).response()
		if resp.StatusCode != want {
			t.Errorf("%d bytes over the limit: got %s, want %d", more, resp.Status, want)
		}
	}
}

// verdict reads answers until the connection ends, and tells what came upstream.
func verdict(c *raw, upstream *recorder) string {
	var statuses, requests []string
	for {
		if _, err := c.r.Peek(1); err != nil {
			break
		}
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			statuses = append(statuses, "broken")
			break
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, fmt.Sprint(resp.StatusCode))
	}
	for _, s := range upstream.all() {
		requests = append(requests, strings.TrimRight(s.Method+" "+s.Body, " "))
		for _, name := range []string{"Transfer-Encoding", "Trailer", "X-Session-Token"} {
			if len(s.Header[name]) > 0 {
				requests = append(requests, name)
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(strings.Join(statuses, " "))
	if len(requests) > 0 {
		b.WriteString(": " + strings.Join(requests, ", "))
	}
	return b.String()
}
