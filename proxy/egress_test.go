package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/proxy"
)

// atGateway is a data port that others can reach.
func atGateway(c *config.Config) { c.Listen = "0.0.0.0:0" }

// internal is a server of the gateway's own network, which counts who comes.
type internal struct {
	addr, port string
	visits     atomic.Int32
}

func newInternal(t *testing.T) *internal {
	t.Helper()
	s := new(internal)
	s.addr = listen(t, func(c net.Conn) {
		s.visits.Add(1)
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
	})
	_, s.port, _ = net.SplitHostPort(s.addr)
	return s
}

// allow lets its port pass, so that only addresses are left to refuse.
func (s *internal) allow(c *config.Config) {
	n, _ := strconv.Atoi(s.port)
	c.Egress.AllowedPorts = []int{80, 443, n}
}

// ask sends a request for host:port by CONNECT and one in absolute form, and
// gives the codes that they are refused with.
func (r *rig) refusals(hostPort string) map[string]string {
	r.t.Helper()
	codes := map[string]string{}
	for door, text := range map[string]string{
		"CONNECT":  "CONNECT " + hostPort + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute": "GET http://" + strings.Replace(hostPort, "%", "%25", 1) + "/ HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		resp, body := r.dial(text).response()
		_, code, _ := strings.Cut(body, `"code":"`)
		code, _, _ = strings.Cut(code, `"`)
		if resp.StatusCode != http.StatusBadRequest {
			code = fmt.Sprint(resp.Status, " ", body)
		}
		codes[door] = code
	}
	return codes
}

func (r *rig) refuses(hostPort, code string) {
	r.t.Helper()
	for door, got := range r.refusals(hostPort) {
		if got != code && (code != "invalid_host" || got != "") { // net/http refuses some of these itself
			r.t.Errorf("%s by %s: got %q, want %q", hostPort, door, got, code)
		}
	}
}

func TestT43_OddSpellingsOfLoopbackDoNotLeadThere(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	r := start(t, new(recorder), testConfig(t, atGateway, s.allow), newNameserver(t, everyName("127.0.0.1")).resolver)
	for host, code := range map[string]string{
		"127.0.0.1": "address_not_allowed", "127.255.0.1": "address_not_allowed", "[::1]": "address_not_allowed",
		"[::ffff:127.0.0.1]": "address_not_allowed", "[0:0:0:0:0:ffff:7f00:1]": "address_not_allowed",
		"0.0.0.0": "address_not_allowed", "[::]": "address_not_allowed",
		"localhost": "address_not_allowed", "name.example.com": "address_not_allowed", "LOCALHOST.": "address_not_allowed",
		"127.1": "invalid_host", "0": "invalid_host", "2130706433": "invalid_host", "0x7f.1": "invalid_host", "0x7f000001": "invalid_host",
		"0177.0.0.1": "invalid_host", "127.0.0.01": "invalid_host", "127.1.": "invalid_host",
	} {
		r.refuses(host+":"+s.port, code)
	}
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d connections arrived", n)
	}
}

func TestT44_NetworksThatAGatewayDoesNotReach(t *testing.T) {
	t.Parallel()
	addresses := []string{
		"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16",
		"224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
	}
	for _, a := range []string{"fd00::1", "fe80::1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "2002:a00:1::", "2001:0:a00:1::", "ff02::1", "::ffff:10.0.0.1", "fd00:ec2::254"} {
		addresses = append(addresses, "["+a+"]")
	}
	r := start(t, new(recorder), testConfig(t, atGateway))
	for _, host := range addresses {
		r.refuses(host+":80", "address_not_allowed")
	}
	r.refuses("[fe80::1%eth0]:80", "invalid_host")
	for _, addr := range []string{"10.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"} { // and behind a name
		named := start(t, new(recorder), testConfig(t, atGateway), newNameserver(t, everyName(addr)).resolver)
		named.refuses("name.example.com:443", "address_not_allowed")
		named.log.line(t, map[string]any{"code": "address_not_allowed", "host": "name.example.com"})
		resp, body := named.dial("CONNECT name.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n").response()
		refusedWith(t, resp, body, http.StatusBadRequest, "address_not_allowed")
		if strings.Contains(body, addr) {
			t.Errorf("the application learns what the name resolves to: %s", body)
		}
	}
}

// Applications of a sidecar can dial their own network by themselves. Metadata
// services give out credentials, so that even there a setting has to say so.
func TestT44_WhatASidecarReaches(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	for name, tt := range map[string]struct {
		listen, addresses string
		arrives           bool
	}{
		"sidecar":                  {"127.0.0.1:0", "auto", true},
		"sidecar, another setting": {"127.0.0.1:0", "other", false},
		"sidecar, public":          {"127.0.0.1:0", "public", false},
		"gateway":                  {"0.0.0.0:0", "auto", false},
		"gateway, private":         {"0.0.0.0:0", "private", true},
		"gateway, any":             {"0.0.0.0:0", "any", true},
		"gateway, another setting": {"0.0.0.0:0", "other", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, new(recorder), testConfig(t, s.allow, func(c *config.Config) { c.Listen, c.Egress.Addresses = tt.listen, tt.addresses }))
			before := s.visits.Load()
			resp, body := r.dial("GET http://" + s.addr + "/ HTTP/1.1\r\nHost: x\r\n\r\n").response()
			if arrived := s.visits.Load() > before; arrived != tt.arrives || arrived != (resp.StatusCode == http.StatusOK) {
				t.Errorf("arrived: %t, %s %s", arrived, resp.Status, body)
			}
			if tt.addresses != "any" {
				r.refuses("169.254.169.254:80", "address_not_allowed")
			}
		})
	}
}

func TestT45_AllowedHostsInEverySpelling(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) {
		c.Egress.AllowedHosts = []string{"in.example.com:" + s.port, "web.example.com", "[::1]:" + s.port, "xn--fiq228c.example.com"}
		c.Egress.AllowedPorts = []int{443}
	}), newNameserver(t, everyName("127.0.0.1")).resolver)
	for _, host := range []string{"in.example.com", "IN.example.COM", "in.example.com."} {
		if resp, body := r.dial("GET http://" + host + ":" + s.port + "/ HTTP/1.1\r\nHost: x\r\n\r\n").response(); body != "secret" {
			t.Errorf("%s: %s %s", host, resp.Status, body)
		}
	}
	before := s.visits.Load()
	for hostPort, code := range map[string]string{
		"other.example.com:443":       "host_not_allowed",
		"in.example.com:443":          "host_not_allowed",
		"in.example.com.evil.com:443": "host_not_allowed",
		"127.0.0.1:" + s.port:         "host_not_allowed",
		"xn--fiq229c.example.com:443": "host_not_allowed",
		"web.example.com:80":          "port_not_allowed",
		"web.example.com:" + s.port:   "port_not_allowed",
		"[[::1]]:" + s.port:           "invalid_host",
		"[in.example.com]:" + s.port:  "invalid_host",
		"in.example.com..:" + s.port:  "invalid_host",
	} {
		r.refuses(hostPort, code)
	}
	if s.visits.Load() != before {
		t.Error("a refused connection arrived")
	}
}

func TestT46_EachDialLooksAtWhatTheNameIsNow(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	answers := []string{"127.0.0.1", "169.254.169.254", "127.0.0.1", "169.254.169.254"}
	dns := newNameserver(t, func(_ string, n int) netip.Addr { return netip.MustParseAddr(answers[n]) })
	r := start(t, new(recorder), testConfig(t), dns.resolver)
	url := "http://name.example.com:" + s.port + "/"
	if resp, body := r.dial("GET " + url + " HTTP/1.1\r\nHost: x\r\n\r\n").response(); body != "secret" {
		t.Fatalf("%s %s", resp.Status, body)
	}
	resp, body := r.dial("GET " + url + " HTTP/1.1\r\nHost: x\r\n\r\n").response()
	refusedWith(t, resp, body, http.StatusBadRequest, "address_not_allowed")
	_ = r.connect("name.example.com:" + s.port)
	resp, body = r.dial("CONNECT name.example.com:" + s.port + " HTTP/1.1\r\nHost: x\r\n\r\n").response()
	refusedWith(t, resp, body, http.StatusBadRequest, "address_not_allowed")
	eventually(t, func() bool { return s.visits.Load() == 2 }, func() string { return "the second connection did not arrive" })
	if n := dns.asked.Load(); n != 4 {
		t.Errorf("%d questions, want one a dial", n)
	}
}

func TestT47_RedirectsAreForTheApplicationToFollow(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	redirecting := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+s.addr+"/", http.StatusFound)
	})
	r := start(t, new(recorder), testConfig(t))
	resp, _ := get(t, r.client(), redirecting.URL)
	if resp.StatusCode != http.StatusFound || s.visits.Load() != 0 {
		t.Errorf("got %s, and %d connections went where it leads", resp.Status, s.visits.Load())
	}
}

func TestT48_TargetsThatTwoReadersReadDifferently(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Egress.AllowedHosts = []string{"good.example.com"} }),
		newNameserver(t, everyName("127.0.0.1")).resolver)
	for _, target := range []string{
		"http://good.example.com@" + s.addr + "/", "http://good.example.com:80@" + s.addr + "/", "http://" + s.addr + "@good.example.com/",
		"http://" + s.addr + "#good.example.com/", "http://" + s.addr + "#@good.example.com/", "http://good.example.com#@" + s.addr + "/",
		`http://good.example.com\@` + s.addr + "/", "http://" + s.addr + `\good.example.com/`, "http://good.example.com%00." + s.addr + "/",
		"http://good.example.com%2f@" + s.addr + "/", "http://good.example.com\x00" + s.addr + "/", "http://good.example.com:80:" + s.port + "/",
		"http://good.example.com:0/", "http://good.example.com:65616/", "http://good.example.com:-80/", "http://good.example.com:/", "http://good.example.com:080/",
		"http:///" + s.addr + "/", "http:" + s.addr + "/", "//" + s.addr + "/", "ftp://good.example.com/", "gopher://" + s.addr + "/",
	} {
		resp, body := r.dial("GET " + target + " HTTP/1.1\r\nHost: good.example.com\r\n\r\n").response()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s %s", target, resp.Status, body)
		}
	}
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d connections arrived", n)
	}
}

func TestT49_BytesBehindARefusedConnectGoNowhere(t *testing.T) {
	t.Parallel()
	s := newInternal(t)
	r := start(t, new(recorder), testConfig(t, atGateway, s.allow))
	c := r.dial("CONNECT " + s.addr + " HTTP/1.1\r\nHost: x\r\n\r\n" + "GET / HTTP/1.1\r\nHost: " + s.addr + "\r\n\r\n")
	resp, body := c.response()
	refusedWith(t, resp, body, http.StatusBadRequest, "address_not_allowed")
	if resp, body := c.response(); resp.StatusCode != http.StatusBadRequest { // a request of its own, and judged as one
		t.Errorf("%s %s", resp.Status, body)
	}
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d connections arrived", n)
	}
}

func TestT49_AGatewayConnectsToTheWebsPortsOnly(t *testing.T) {
	t.Parallel()
	dns := newNameserver(t, everyName("127.0.0.1"))
	r := start(t, new(recorder), testConfig(t, atGateway), dns.resolver)
	for _, port := range []string{"22", "25", "8080", "6443", "65535"} {
		r.refuses("name.example.com:"+port, "port_not_allowed")
	}
	if n := dns.asked.Load(); n != 0 {
		t.Errorf("%d names were looked up for ports that are refused", n)
	}
	r.refuses("name.example.com:443", "address_not_allowed")
	r.refuses(fmt.Sprintf("127.0.0.2:%d", port(r.AdminAddr())), "port_not_allowed")
}

func TestT50_ANameserverThatNeverAnswers(t *testing.T) {
	t.Parallel()
	dns := newNameserver(t, func(string, int) netip.Addr { return netip.Addr{} })
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Timeouts.Dial = 50 * time.Millisecond }), dns.resolver)
	for _, text := range []string{"CONNECT name.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://name.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n"} {
		resp, body := r.dial(text).response()
		refusedWith(t, resp, body, http.StatusGatewayTimeout, "upstream_timeout")
	}
	if dns.asked.Load() == 0 {
		t.Error("nobody was asked")
	}

	// An application that gives up ends the lookup: Run does not wait for it.
	patient := start(t, new(recorder), testConfig(t), dns.resolver)
	asked := dns.asked.Load()
	c := patient.dial("GET http://name.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, func() bool { return dns.asked.Load() > asked }, func() string { return "no question came" })
	_ = c.Close()
	patient.log.line(t, map[string]any{"aborted": "client_gone", "host": "name.example.com"})
}

func TestEgressSettingsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := proxy.New(proxy.Options{
		Config:   testConfig(t, func(c *config.Config) { c.Egress.AllowedHosts = []string{"a b"} }),
		Protocol: func(*config.Config, config.Route) (*proxy.Protocol, error) { return new(proxy.Protocol), nil },
	})
	if err == nil || !strings.Contains(err.Error(), "egress.allowed_hosts") {
		t.Errorf("error %v, want one that names the setting", err)
	}
}
