package proxy_test

import (
	"strings"
	"testing"

	"sealcar/config"
	"sealcar/proxy"
)

func TestT54_AmbiguousPaths(t *testing.T) {
	t.Parallel()
	plain := []string{
		"/", "/v1/chat/completions", "/v1/chat/completions/", "/v1/models/ft:gpt-4o@x,y", "/v1/models/a%3Ab", "/v1/models/a%20b",
		"/v1/models/caf%C3%A9", "/v1/..a", "/v1/a..", "/v1/.hidden", "/v1/%40x",
	}
	for _, path := range plain {
		if what := proxy.Ambiguous(path); what != "" {
			t.Errorf("%s is refused for %s", path, what)
		}
	}
	bad := []string{
		"", "*", "v1", "//v1/chat/completions", "/v1//chat", "/v1/chat//", "/v1/./chat", "/v1/../chat", "/v1/..", "/.", "/v1/%2e%2e/chat", "/v1/%2E/chat",
		"/v1%2fchat", "/v1%2Fchat", "/v1%5cchat", `/v1\chat`, "/v1;x/chat", "/v1/chat;x", "/v1%3bx", "/v1/%00", "/v1/%0d%0a", "/v1/\r", "/v1/ x", "/v1/%7f",
		"/v1/%63hat", "/%76%31/chat", "/v1/%252e", "/v1/%", "/v1/%2", "/v1/%zz", "/v1/a%3fb", "/v1/a%23b", "/v1/%7Echat",
	}
	for _, path := range bad {
		if proxy.Ambiguous(path) == "" {
			t.Errorf("%q is taken", path)
		}
	}
}

func TestT45_TargetsHaveOneForm(t *testing.T) {
	t.Parallel()
	same := map[string][2]string{
		"ark.example.com":         {"ark.example.com", "80"},
		"ARK.Example.COM":         {"ark.example.com", "80"},
		"ark.example.com.":        {"ark.example.com", "80"},
		"ark.example.com:443":     {"ark.example.com", "443"},
		"ark.example.com.:443":    {"ark.example.com", "443"},
		"xn--fiq228c.example.com": {"xn--fiq228c.example.com", "80"},
		"under_score:8080":        {"under_score", "8080"},
		"127.0.0.1:8080":          {"127.0.0.1", "8080"},
		"[::1]":                   {"::1", "80"},
		"[0:0:0:0:0:0:0:1]:8080":  {"::1", "8080"},
		"[::ffff:127.0.0.1]:8080": {"127.0.0.1", "8080"},
		"[2001:DB8::A]:1":         {"2001:db8::a", "1"},
		strings.Repeat("a", 253):  {strings.Repeat("a", 253), "80"},
	}
	for s, want := range same {
		host, port, err := proxy.ParseTarget(s, "80")
		if err != nil || host != want[0] || port != want[1] {
			t.Errorf("%q is %s %s (%v), want %v", s, host, port, err, want)
		}
	}
	bad := []string{
		"", ":80", ".", "..", "a..b", ".a", "a..", "a:", "a:0", "a:080", "a:65536", "a:-1", "a:+1", "a:http", "a:80:80", "::1", "[::1", "::1]", "[::1]x", "[[::1]]",
		"[127.0.0.1]", "[fe80::1%eth0]", "[ark.example.com]", "a b", "a\x00b", "a%2eb", "user@a", "a/b", "a\\b", "a#b", "a?b", "\u3002", "ａ.example.com", "a,b", strings.Repeat("a", 254),
		"127.1", "0", "2130706433", "0x7f.1", "0X7F000001:80", "0177.0.0.1", "127.0.0.1..", "256.0.0.1",
	}
	for _, s := range bad {
		if host, port, err := proxy.ParseTarget(s, "80"); err == nil {
			t.Errorf("%q is taken as %q %q", s, host, port)
		}
	}
	if _, _, err := proxy.ParseTarget("a", ""); err == nil {
		t.Error("a target without a port is taken")
	}
}

func TestStartsHTTP(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"GET /", "get /x HTTP/1.1", "POST http://x", "POST https://x", "OPTIONS *", "CONNECT x", "DELETE /", "PATCH /"} {
		for i := range len(s) {
			if is, undecided := proxy.StartsHTTP(s[:i]); is && i < 5 || !is && !undecided {
				t.Errorf("%q: %v %v", s[:i], is, undecided)
			}
		}
		if is, undecided := proxy.StartsHTTP(s); !is || undecided {
			t.Errorf("%q is not taken for HTTP", s)
		}
	}
	for _, s := range []string{"\x00", "GETX", "GET\t/", "get key", "PRI * HTTP/2.0", "SSH-2.0", "*1\r\n", "PING\r\n", "POST ftp://", " GET /"} {
		if is, undecided := proxy.StartsHTTP(s); is || undecided {
			t.Errorf("%q: %v %v", s, is, undecided)
		}
	}
}

func TestClipKeepsCharactersWhole(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		s := strings.Repeat("x", 125+n) + "€€"
		if got := proxy.Clip(s); len(got) > 128 || !strings.HasPrefix(s, got) || len(got) < 125 {
			t.Errorf("clipped to %q", got)
		}
	}
	if proxy.Clip("short") != "short" {
		t.Error("a short text changed")
	}
}

func TestRoutesThatShareAHostAreChosenByPathAtEveryDoor(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t, func(c *config.Config) {
		second := c.Routes[0]
		second.Name, second.BasePaths = "second", []config.BasePath{{From: "/v2", To: "/other"}}
		c.Routes = append(c.Routes, second)
	}))
	paths := map[string]string{"/v1/x": "/api/v3/x", "/v2/x": "/other/x", "/other/x": "/other/x"}
	for path := range paths {
		r.dial(post("http://"+routedHost+path, routedHost, "")).response()
		r.dial(post(path, r.Addr().String(), "")).response()
		c := r.connect(routedHost + ":80")
		c.send(post(path, routedHost, ""))
		c.response()
	}
	got := map[string]int{}
	for _, s := range upstream.all() {
		got[s.URL]++
	}
	for _, want := range []string{"/api/v3/x", "/other/x"} {
		n := 3
		if want == "/other/x" {
			n = 6
		}
		if got["https://"+routedHost+want] != n {
			t.Errorf("%s came %d times, want %d; all: %v", want, got["https://"+routedHost+want], n, got)
		}
	}
}
