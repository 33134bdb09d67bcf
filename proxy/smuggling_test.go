package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// What net/http's parser decides is fixed here, so that a change of it is seen.
// One request in the bytes is never two upstream.
func TestT51_SmugglingVerdicts(t *testing.T) {
	t.Parallel()
	const (
		line   = "POST " + routedURL + " HTTP/1.1\r\nHost: x\r\n"
		second = "POST " + routedURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	)
	cases := map[string]struct {
		sent   string
		status int
		bodies []string // of the requests that reach the upstream
	}{
		"length and chunked":        {line + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, []string{"a"}},
		"two lengths":               {line + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, nil},
		"the same length twice":     {line + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 200, []string{"a"}},
		"a list of lengths":         {line + "Content-Length: 1, 1\r\n\r\na", 400, nil},
		"a negative length":         {line + "Content-Length: -1\r\n\r\n", 400, nil},
		"a signed length":           {line + "Content-Length: +1\r\n\r\na", 400, nil},
		"an unknown coding":         {line + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, nil},
		"a coding in disguise":      {line + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, nil},
		"a coding after a space":    {line + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, nil},
		"a folded header":           {line + "X-A: 1\r\n Content-Length: 5\r\n\r\n", 200, []string{""}},
		"a bad chunk size":          {line + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400, nil},
		"a chunk without its end":   {line + "Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n", 400, nil},
		"a header without a name":   {line + ": x\r\n\r\n", 400, nil},
		"a NUL in a header":         {line + "X-A: \x00\r\n\r\n", 400, nil},
		"two Hosts":                 {"POST " + routedURL + " HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, nil},
		"no Host":                   {"POST " + routedURL + " HTTP/1.1\r\n\r\n", 400, nil},
		"a request in a GET's body": {"GET " + routedURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + length(second) + "\r\n\r\n" + second, 200, []string{second}},
		"two requests in a row":     {second + second, 200, []string{"", ""}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := new(recorder)
			c := start(t, upstream, testConfig(t)).dial(tc.sent)
			_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, c) // until the server has done with the rest
			_ = resp.Body.Close()
			if resp.StatusCode != tc.status {
				t.Errorf("got %s, want %d", resp.Status, tc.status)
			}
			var bodies []string
			for _, s := range upstream.all() {
				bodies = append(bodies, s.Body)
			}
			if strings.Join(bodies, "|") != strings.Join(tc.bodies, "|") || len(bodies) != len(tc.bodies) {
				t.Errorf("upstream got %q, want %q", bodies, tc.bodies)
			}
		})
	}
}
