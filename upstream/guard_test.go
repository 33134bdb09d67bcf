package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"sealcar/config"
	"sealcar/upstream"
)

// guarded makes the way for a policy.
func guarded(t *testing.T, edits ...func(*config.Route)) *upstream.Guarded {
	t.Helper()
	r := config.NewRoute("r", "ark.example")
	for _, e := range edits {
		e(&r)
	}
	g, err := upstream.NewGuarded(r, config.Default().Timeouts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.CloseIdleConnections)
	return g
}

func policy(allowPrivate bool, hosts ...string) func(*config.Route) {
	return func(r *config.Route) {
		r.Certificate.Revocation.AllowPrivate, r.Certificate.Revocation.AllowedHosts = allowPrivate, hosts
	}
}

func visit(t *testing.T, g http.RoundTripper, target string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestT20_GuardedGoesOnlyWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "here")
	}))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		policy func(*config.Route)
		target string
		fault  string // "" = it goes there
	}{
		{"private, allowed", policy(true, "127.0.0.1:"+port), srv.URL, ""},
		{"by name", policy(true, "localhost:"+port), "http://localhost:" + port, ""},
		{"by name in another spelling", policy(true, "localhost:"+port), "http://LOCALHOST:" + port, ""},
		{"private", policy(false, "127.0.0.1:"+port), srv.URL, "allow_private"},
		{"private behind a name", policy(false, "localhost:"+port), "http://localhost:" + port, "allow_private"},
		{"private, mapped", policy(false, "[::ffff:127.0.0.1]:"+port), "http://[::ffff:127.0.0.1]:" + port, "allow_private"},
		{"a port that nobody allowed", policy(true), srv.URL, "port " + port},
		{"a port that nobody allowed on an allowed host", policy(true, "127.0.0.1"), srv.URL, "port " + port},
		{"a host that is not in the list", policy(true, "crl.example"), srv.URL, "not in certificate.revocation.allowed_hosts"},
		{"https", policy(true), "https://127.0.0.1:443/", "only http://"},
		{"metadata, though private is allowed", policy(true), "http://169.254.169.254/latest", "never dialled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := asked.Load()
			body, err := visit(t, guarded(t, tt.policy), tt.target)
			switch {
			case tt.fault == "" && (err != nil || body != "here"):
				t.Errorf("%q, %v", body, err)
			case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
				t.Errorf("error %v, want one with %q", err, tt.fault)
			case tt.fault != "" && asked.Load() != before:
				t.Error("it was asked")
			}
		})
	}
}

func TestT44_AddressesThatAreNotPublic(t *testing.T) {
	t.Parallel()
	const public, private, never = "public", "private", "never"
	for addr, want := range map[string]string{
		"1.1.1.1": public, "223.255.255.254": public, "100.63.255.255": public, "2606:4700::1111": public, "64:ff9b::101:101": public, "::ffff:1.1.1.1": public,
		"10.0.0.1": private, "172.16.0.1": private, "192.168.1.1": private, "127.0.0.1": private, "127.255.0.1": private,
		"100.64.0.1": private, "100.127.255.255": private, "198.18.0.1": private,
		"::1": private, "fd00::1": private, "fc00::1": private, "fec0::1": private, "64:ff9b:1::1": private,
		"64:ff9b::a00:1": private, "::ffff:10.0.0.1": private, "::ffff:127.0.0.1": private, "::ffff:100.64.0.1": private,
		"0.0.0.0": never, "::": never, "169.254.169.254": never, "169.254.0.1": never, "fe80::1": never, "fe80::1%eth0": never,
		"224.0.0.1": never, "ff02::1": never, "255.255.255.255": never, "240.0.0.1": never, "192.0.0.192": never,
		"100.100.100.200": never, "100.96.0.96": never, "fd00:ec2::254": never, "64:ff9b::a9fe:a9fe": never, "::ffff:169.254.169.254": never,
		"2002:a00:1::": never, "2001:0:a00:1::": never, "2001:db8::1": never, "100::1": never, "192.0.2.1": never, "198.51.100.1": never, "203.0.113.1": never,
		"::127.0.0.1": never, "4000::1": never,
	} {
		strict, lax := upstream.CheckAddr(netip.MustParseAddr(addr), false), upstream.CheckAddr(netip.MustParseAddr(addr), true)
		got := public
		switch {
		case lax != nil:
			got = never
		case strict != nil:
			got = private
		}
		if got != want || (lax != nil && strict == nil) {
			t.Errorf("%s is %s, want %s", addr, got, want)
		}
	}
	if upstream.CheckAddr(netip.Addr{}, true) == nil {
		t.Error("no address at all is allowed")
	}
}

// A resolver that answers with a public address first could answer with a
// private one when it counts: what is dialled is looked at, not what is looked up.
func TestT46_GuardedLooksAtWhatIsDialled(t *testing.T) {
	t.Parallel()
	if err := upstream.CheckDialled("10.0.0.1:80", false); err == nil {
		t.Error("a private address may be dialled")
	}
	if err := upstream.CheckDialled("[2606:4700::1111]:80", false); err != nil {
		t.Error(err)
	}
	if err := upstream.CheckDialled("crl.example:80", true); err == nil {
		t.Error("what is no address may be dialled")
	}
}

func TestT43_GuardedGoesThroughTheEgressProxy(t *testing.T) {
	t.Parallel()
	var seen atomic.Pointer[url.URL]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL)
		_, _ = io.WriteString(w, "by proxy")
	}))
	t.Cleanup(proxy.Close)
	g := guarded(t, func(r *config.Route) { r.UpstreamProxy = proxy.URL })
	if body, err := visit(t, g, "http://crl.example/volc1?sn=1"); err != nil || body != "by proxy" {
		t.Fatalf("%q, %v", body, err)
	}
	if u := seen.Load(); u.String() != "http://crl.example/volc1?sn=1" {
		t.Errorf("the proxy saw %s", u)
	}
	seen.Store(nil)
	for _, target := range []string{
		"http://127.0.0.1/", "http://[fd00::1]/", "http://169.254.169.254/", "http://crl.example:22/", "http://[::ffff:127.0.0.1]/",
		"http://127.1/", "http://0/", "http://2130706433/", "http://0x7f.1/", "http://0x7f000001/", "http://0177.0.0.01/", "http://127.0.0.1./",
	} {
		if _, err := visit(t, g, target); err == nil {
			t.Errorf("%s was asked for", target)
		}
	}
	if seen.Load() != nil {
		t.Error("the proxy saw a refused request")
	}
}

func TestNewGuardedWantsARouteThatHoldsTogether(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*config.Route){
		func(r *config.Route) { r.UpstreamCAFile = "/does/not/exist" },
		func(r *config.Route) { r.UpstreamProxy = "ftp://proxy.example" },
	} {
		r := config.NewRoute("r", "ark.example")
		edit(&r)
		if _, err := upstream.NewGuarded(r, config.Default().Timeouts); err == nil || !strings.Contains(err.Error(), "upstream_") || strings.Contains(err.Error(), "route") {
			t.Errorf("error %v, want one that names the setting; the caller names the route", err)
		}
	}
}

func TestGuardedEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guarded(t, policy(true)).RoundTrip(req); err == nil {
		t.Error("no error")
	}
}
