package downstream_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	get   = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	probe = "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n" // answered if the connection has stayed open
)

// post is a plain request with a body.
func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// with is a request with another header.
func with(lines string) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n" }

// sized is a request with a head of n bytes.
func sized(n int) string {
	rest := with("X: ")
	return strings.Replace(rest, "X: ", "X: "+strings.Repeat("x", n-len(rest)), 1)
}

// readAll is the handler of requests: it wants all of their bodies.
func readAll(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	_, _ = fmt.Fprintf(w, "%d bytes, %v", n, err)
}

// request is what a client may send; the probe comes behind it.
type request struct {
	send    []string
	methods []string
	plain   bool // it is served here, with what follows it
}

func one(s string) []string { return []string{s} }

func bodies() map[string]request {
	large := strings.Repeat("large", 100<<10)
	return map[string]request{
		"none":                       {send: one(get), plain: true},
		"of no length":               {send: one(post("")), plain: true},
		"behind its head":            {send: one(post("hello")), plain: true},
		"apart from its head":        {send: []string{post("hello")[:len(post("hello"))-5], "hello"}, plain: true},
		"in pieces":                  {send: []string{post("hello")[:len(post("hello"))-3], "l", "lo"}, plain: true},
		"large":                      {send: one(post(large)), plain: true},
		"longer than said":           {send: one(post("hello") + "more")},
		"that is another request":    {send: one(post(get)), plain: true},
		"with a line end behind it":  {send: one(post("hello") + "\r\n"), plain: true},
		"with two line ends":         {send: one(post("hello") + "\r\n\r\n"), plain: true},
		"with line ends in pieces":   {send: []string{post("hello"), "\r", "\n", "\r\n"}},
		"with five line ends":        {send: one(post("hello") + "\n\n\n\n\n")},
		"with its last in two":       {send: []string{post("hello") + "\r\n", "\r\n\r\n"}},
		"line ends, and a GET first": {send: one(post("hello") + get + "\r\n")},
		"in chunks":                  {send: one("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")},
		"in chunks with trailers":    {send: one("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")},
		"of a GET":                   {send: one("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")},
		"of a POST, unannounced":     {send: one("POST / HTTP/1.1\r\nHost: a\r\n\r\n")},
	}
}

func TestBodiesAreReadAsByNetHTTP(t *testing.T) {
	t.Parallel()
	requestsAreReadAsByNetHTTP(t, bodies())
}

// lines are header lines of a GET, by whether it is plain with them.
func lines() map[string]bool {
	return map[string]bool{
		"X: y":                         true,
		"X:y":                          true,
		"X:  y  ":                      true,
		"X:":                           true,
		"x: 1\r\nX: 2":                 true,
		"Cookie: a=b; c=d":             true,
		"Pragma: no-cache":             true,
		"Connection: keep-alive":       true,
		"Connection: Keep-Alive":       true,
		"Connection: keep-alive\r\nX:": true,
		"Accept-Encoding: gzip":        true,
		"TE: trailers":                 true,

		"Connection: close":                      false,
		"Connection: Close":                      false,
		"Connection: keep-alive, close":          false,
		"Connection: keep-alive, X":              false,
		"Connection: upgrade\r\nUpgrade: h2c":    false,
		"Connection:":                            false,
		"Upgrade: websocket":                     false,
		"Trailer: X":                             false,
		"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAA": false,
		"Expect: 100-continue":                   false,
		"Expect: more":                           false,
		"Expect:":                                false,
		"Transfer-Encoding: identity":            false,
		"Transfer-Encoding: gzip":                false,
		"Transfer-Encoding:":                     false,
		"Host: a":                                false,
		"Host: b":                                false,
		"host: a":                                false,
		"X : y":                                  false,
		" X: y":                                  false,
		"X: y\r\n folded":                        false,
		"X: y\r\n\tfolded":                       false,
		"X: a\tb":                                false,
		"X: a\x00b":                              false,
		"X: a\x7fb":                              false,
		"X: a\rb":                                false,
		"X: a\nY: b":                             false,
		"X: caf\xc3\xa9":                         false,
		"X\x00: y":                               false,
		"X(): y":                                 false,
		": y":                                    false,
		"X":                                      false,
		"Content-Length: 0":                      false,
	}
}

func TestHeaderLinesAreReadAsByNetHTTP(t *testing.T) {
	t.Parallel()
	requests := map[string]request{}
	for line, plain := range lines() {
		requests[fmt.Sprintf("%q", line)] = request{send: one(with(line)), plain: plain}
	}
	requestsAreReadAsByNetHTTP(t, requests)
}

// lengthLines are header lines of a POST with five bytes behind it, by whether it is
// plain with them.
func lengthLines() map[string]bool {
	return map[string]bool{
		"Content-Length: 5":                          true,
		"content-length:5":                           true,
		"Content-Length: 05":                         true,
		"Content-Length: 000000000000000005":         true,
		"Content-Length: 0000000000000000005":        false,
		"Content-Length: +5":                         false,
		"Content-Length: -5":                         false,
		"Content-Length: 0x5":                        false,
		"Content-Length: 5 5":                        false,
		"Content-Length: 5, 5":                       false,
		"Content-Length: 5\r\nContent-Length: 5":     false,
		"Content-Length: 5\r\nContent-Length: 6":     false,
		"Content-Length:":                            false,
		"Content-Length: ":                           false,
		"Content-Length: 9223372036854775808":        false,
		"Content-Length: 99999999999999999999":       false,
		"Content-Length: 5\r\nTransfer-Encoding: x":  false,
		"Content-Length: 5\r\nExpect: 100-continue":  false,
		"Content-Length: 999999999999999999\r\nX: 1": true, // and so the probe is of its body
	}
}

func TestLengthsAreReadAsByNetHTTP(t *testing.T) {
	t.Parallel()
	requests := map[string]request{}
	for line, plain := range lengthLines() {
		requests[fmt.Sprintf("%q", line)] = request{send: one("POST / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\nhello"), plain: plain}
	}
	requestsAreReadAsByNetHTTP(t, requests)
}

// requestLines are first lines, by whether a request is plain with them.
func requestLines() map[string]bool {
	return map[string]bool{
		"GET / HTTP/1.1":                     true,
		"GET /?q=a;b HTTP/1.1":               true,
		"GET /a%2fb//../c HTTP/1.1":          true,
		"GET //a/b HTTP/1.1":                 true,
		"GET http://b/c HTTP/1.1":            true,
		"GET https://u:p@b:443/c?d HTTP/1.1": true,
		"GET * HTTP/1.1":                     true,
		"GET /\"<>{} HTTP/1.1":               true,
		"GET /#f HTTP/1.1":                   true,

		"GET /%zz HTTP/1.1":         false,
		"GET a HTTP/1.1":            false,
		"GET  HTTP/1.1":             false,
		"GET  / HTTP/1.1":           false,
		"GET /  HTTP/1.1":           false,
		"GET / a HTTP/1.1":          false,
		"GET /\tHTTP/1.1":           false,
		"GET /\x00 HTTP/1.1":        false,
		"GET /\x7f HTTP/1.1":        false,
		"GET /caf\xc3\xa9 HTTP/1.1": false,
		"GET / HTTP/1.0":            false,
		"GET / HTTP/1.2":            false,
		"GET / HTTP/2.0":            false,
		"GET / HTTP/0.9":            false,
		"GET / http/1.1":            false,
		"GET / HTTP/1.1 ":           false,
		"GET /":                     false,
		"GET":                       false,
		"get / HTTP/1.1":            false,
		"OPTIONS * HTTP/1.1":        false,
		"OPTIONS / HTTP/1.1":        false,
		"HEAD / HTTP/1.1":           false,
		"DELETE / HTTP/1.1":         false,
		"CONNECT a:443 HTTP/1.1":    false,
		"PRI * HTTP/2.0":            false,
		"G\xffT / HTTP/1.1":         false,
		"\r\nGET / HTTP/1.1":        false,
		" GET / HTTP/1.1":           false,
		"\x16\x03\x01\x02\x00\x01":  false,
		"":                          false,
	}
}

func TestRequestLinesAreReadAsByNetHTTP(t *testing.T) {
	t.Parallel()
	requests := map[string]request{}
	for line, plain := range requestLines() {
		method, _, _ := strings.Cut(line, " ")
		requests[fmt.Sprintf("%q", line)] = request{send: one(line + "\r\nHost: a\r\n\r\n"), methods: one(method), plain: plain}
	}
	requestsAreReadAsByNetHTTP(t, requests)
}

func heads() map[string]request {
	return map[string]request{
		"of 4095 bytes":          {send: one(sized(4095)), plain: true},
		"of 4096 bytes":          {send: one(sized(4096)), plain: true},
		"of 4097 bytes":          {send: one(sized(4097))},
		"of 2 MiB":               {send: one(sized(2 << 20))},
		"in two pieces":          {send: []string{get[:10], get[10:]}},
		"without its last byte":  {send: []string{get[:len(get)-1], "\n"}},
		"a line each":            {send: strings.SplitAfter(get, "\n")},
		"two at once":            {send: one(get + get), plain: true},
		"one and a half at once": {send: []string{get + get[:9], get[9:]}},
		"with bare line feeds":   {send: one("GET / HTTP/1.1\nHost: a\n\n")},
		"with one bare":          {send: one("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n")},
		"of no lines":            {send: one("GET / HTTP/1.1\r\n\r\n")},
		"without a Host":         {send: one("GET / HTTP/1.1\r\nX: y\r\n\r\n")},
		"with an empty Host":     {send: one("GET / HTTP/1.1\r\nHost:\r\n\r\n"), plain: true},
		"with an odd Host":       {send: one("GET / HTTP/1.1\r\nHost: a/b c\r\n\r\n")},
		"with a Host in quotes":  {send: one("GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n")},
		"with a Host of two":     {send: one("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), plain: true},
		"plain, then old":        {send: one(get + "GET / HTTP/1.0\r\n\r\n")},
		"plain, then not HTTP":   {send: one(post("hello") + "\x00\x01\x02")},
	}
}

func TestHeadsAreReadAsByNetHTTP(t *testing.T) {
	t.Parallel()
	requestsAreReadAsByNetHTTP(t, heads())
}

// requestsAreReadAsByNetHTTP compares each, with the probe behind it.
func requestsAreReadAsByNetHTTP(t *testing.T, requests map[string]request) {
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := exchange{send: append(r.send[:len(r.send):len(r.send)], probe), methods: r.methods, handler: readAll}
			if len(r.send) == 1 && len(r.send[0]) < 1<<10 {
				e.send = one(r.send[0] + probe) // in one piece: what comes behind must not matter
			}
			got, handed := e.byDownstream(t)
			compare(t, got, e.byNetHTTP(t))
			if plain := handed == 0; plain != r.plain {
				t.Errorf("served here: %t, want %t", plain, r.plain)
			}
		})
	}
}

// A client that ends in the middle of what it sends.
func TestClientsThatEndEarlyAreAnsweredAsByNetHTTP(t *testing.T) {
	t.Parallel()
	whole := get + post("hello")
	for n := range len(whole) + 1 {
		t.Run(fmt.Sprint("after ", n), func(t *testing.T) {
			t.Parallel()
			e := exchange{send: one(whole[:n]), handler: readAll}
			got, _ := e.byDownstream(t)
			compare(t, got, e.byNetHTTP(t))
		})
	}
}
