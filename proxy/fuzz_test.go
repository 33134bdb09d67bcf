package proxy_test

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"testing"

	"sealcar/proxy"
)

// FuzzTarget: a host and port that is taken has one form, which is taken as
// itself, and which net/url reads as the same.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{
		"ark.example.com", "ARK.Example.COM.:443", "[::1]:8080", "[::ffff:127.0.0.1]", "[fe80::1%eth0]", "127.1", "0x7f.1:80", "2130706433",
		"user@a", "a:080", "a:65536", "a..b", "[[::1]]", "xn--fiq228c.example.com", "ａ.example.com", "a%2eb", "a\x00b", "a b", "a:80:80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, err := proxy.ParseTarget(s, "80")
		if err != nil {
			return
		}
		again, samePort, err := proxy.ParseTarget(net.JoinHostPort(host, port), "")
		if err != nil || again != host || samePort != port {
			t.Fatalf("%q is %q %q, and that is %q %q (%v)", s, host, port, again, samePort, err)
		}
		if strings.ContainsAny(host, " \t\r\n\x00@/\\#?%[]") || host != strings.ToLower(host) || strings.HasSuffix(host, ".") {
			t.Fatalf("%q is taken as %q", s, host)
		}
		u, err := url.Parse("http://" + s + "/")
		if err != nil {
			t.Fatalf("%q is taken as %q, and no URL: %v", s, host, err)
		}
		read := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		if ip, err := netip.ParseAddr(read); err == nil {
			read = ip.Unmap().String()
		}
		if read != host || u.Port() != "" && u.Port() != port {
			t.Fatalf("%q is taken as %q %q, net/url reads %q %q", s, host, port, read, u.Port())
		}
	})
}

// FuzzPath: a path that is taken for unambiguous stays what it is, whoever
// decodes or cleans it.
func FuzzPath(f *testing.F) {
	for _, s := range []string{
		"/v1/chat/completions", "/v1/chat/completions/", "/v1/models/ft:gpt-4o@x,y", "/v1/models/a%3Ab", "/v1/models/caf%C3%A9", "/v1/..a",
		"//v1", "/v1/../chat", "/v1/%2e%2e/chat", "/v1%2fchat", "/v1/chat;x", "/v1/%00", "/v1/%252e", "/v1/%zz", `/v1\chat`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if proxy.Ambiguous(s) != "" {
			return
		}
		decoded, err := url.PathUnescape(s)
		if err != nil {
			t.Fatalf("%q is taken and cannot be decoded: %v", s, err)
		}
		if strings.Count(decoded, "/") != strings.Count(s, "/") || strings.ContainsAny(decoded, ";\\\x00\r\n") {
			t.Fatalf("%q is taken, and decoded it is %q", s, decoded)
		}
		if clean := path.Clean(decoded); clean != strings.TrimSuffix(decoded, "/") && decoded != "/" {
			t.Fatalf("%q is taken, and cleaned it is %q", s, clean)
		}
		twice, err := url.PathUnescape(decoded)
		if err == nil && twice != decoded {
			t.Fatalf("%q is taken, and decoded twice it is %q", s, twice)
		}
	})
}
