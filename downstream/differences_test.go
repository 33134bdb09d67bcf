package downstream_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestDifferencesFromNetHTTPAreOnPurpose shows those that doc.go names and that a client
// can see. The probe behind shows whether the connection goes on.
func TestDifferencesFromNetHTTPAreOnPurpose(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do         func(control, *http.Request)
		ours       string // in the first reply
		theirs     string
		goes, went bool // on, with us and with net/http
	}{
		"304 keeps its type": {
			do:   func(c control, _ *http.Request) { c.set("Content-Type", "a/b"); c.WriteHeader(304) },
			ours: `304 Not Modified length 0, coding [], close false, Content-Type: "a/b"; Date`, theirs: "close false, Date", goes: true, went: true,
		},
		"close is heard among others": {
			do:   func(c control, _ *http.Request) { c.set("Connection", "x, Close") },
			ours: "close true", theirs: "close true", went: true,
		},
		"a reply without an end has chunks": {
			do:   func(c control, _ *http.Request) { c.set("Transfer-Encoding", "identity"); _ = c.write("x") },
			ours: `coding ["chunked"], close false`, theirs: "coding [], close true", goes: true,
		},
		"what waits is not sent for a handler that panics": {
			do:   func(c control, _ *http.Request) { _ = c.write(large[:3000]); panic(http.ErrAbortHandler) },
			ours: "end: ", theirs: "2048 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := exchange{send: []string{get, probe}, handler: handled(test.do)}
			check := func(who string, o outcome, want string, goes bool) {
				if probed := slices.ContainsFunc(o.requests, func(s string) bool { return strings.HasPrefix(s, "GET /probe") }); !strings.Contains(o.replies[0], want) || probed != goes {
					t.Errorf("%s: want %q, and to go on: %t\n%v", who, want, goes, o)
				}
			}
			ours, _ := e.byDownstream(t)
			check("downstream", ours, test.ours, test.goes)
			check("net/http", e.byNetHTTP(t), test.theirs, test.went)
		})
	}
}
