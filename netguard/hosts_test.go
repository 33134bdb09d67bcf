package netguard_test

import (
	"strings"
	"testing"

	"sealcar/netguard"
)

func TestT45_HostsHaveOneForm(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][2]string{
		"example.com":            {"example.com", ""},
		"EXAMPLE.com.:8080":      {"example.com", "8080"},
		"under_score.xn--p1ai":   {"under_score.xn--p1ai", ""},
		"127.0.0.1:1":            {"127.0.0.1", "1"},
		"[::0:1]":                {"::1", ""},
		"[::1]:65535":            {"::1", "65535"},
		"[2001:DB8::0:1]:443":    {"2001:db8::1", "443"},
		"[::ffff:192.0.2.1]:443": {"192.0.2.1", "443"},
	} {
		host, port, err := netguard.ParseHost(s)
		if err != nil || host != want[0] || port != want[1] {
			t.Errorf("%q is %q, %q, %v; want %q", s, host, port, err, want)
		}
	}
	for _, s := range []string{
		"", ".", ":80", "a:", "a:0", "a:01", "a:65536", "a:x", "a:+1", "a b", "a..b", ".a", "a/b", "a@b", "a%b", "ex\x00ample", "１２７.0.0.1", "bücher.example",
		"127.1", "0x7f.1", "::1", "[::1", "::1]", "[::1]x", "[127.0.0.1]", "[fe80::1%eth0]", "[a]", strings.Repeat("a", 254),
	} {
		if host, port, err := netguard.ParseHost(s); err == nil || len(err.Error()) > 400 {
			t.Errorf("%.50q is %q, %q, %v", s, host, port, err)
		}
	}
}

func TestHostsOfASetting(t *testing.T) {
	t.Parallel()
	hosts, err := netguard.ParseHosts([]string{"Any.example", "one.example.:8080", "[::0:1]:443", "[2001:db8::1]"})
	if err != nil || hosts.IsEmpty() {
		t.Fatalf("%+v, %v", hosts, err)
	}
	for _, test := range []struct {
		host, port   string
		has, hasPort bool
	}{
		{"any.example", "443", true, false},
		{"any.example", "", true, false},
		{"one.example", "8080", false, true},
		{"one.example", "443", false, false},
		{"one.example", "", false, false},
		{"::1", "443", false, true},
		{"2001:db8::1", "1", true, false},
		{"other.example", "443", false, false},
	} {
		if has, hasPort := hosts.Has(test.host), hosts.HasPort(test.host, test.port); has != test.has || hasPort != test.hasPort {
			t.Errorf("%s, port %s: %t, %t", test.host, test.port, has, hasPort)
		}
	}
	if _, err := netguard.ParseHosts([]string{"a.example", "a b"}); err == nil || !strings.Contains(err.Error(), "a b") {
		t.Errorf("error %v", err)
	}
	if none, err := netguard.ParseHosts(nil); err != nil || !none.IsEmpty() || none.Has("") || none.HasPort("", "") {
		t.Errorf("%+v, %v", none, err)
	}
}
