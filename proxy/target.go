package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"sealcar/netguard"
)

// target is a host and port that an application asked for, in one normal form,
// so that no second spelling of a host with a route escapes it: lower case, no
// trailing dot, IP addresses as netip prints them, IPv4 in IPv6 unwrapped.
type target struct {
	host string // without brackets
	port string // 1…65535, decimal; "" only where the configuration leaves it open
}

// String is the form for dialing.
func (t target) String() string { return net.JoinHostPort(t.host, t.port) }

// parseTarget reads host[:port]. An absent port becomes defaultPort; without
// one it is an error.
func parseTarget(s, defaultPort string) (target, error) {
	host, port := s, defaultPort
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
		return target{}, fmt.Errorf("the port of %q is not a number from 1 to 65535", s)
	}
	host, err := normalHost(host)
	if err != nil {
		return target{}, err
	}
	return target{host: host, port: port}, nil
}

// parsePattern reads a configured host or host:port; without a port it stands
// for every one, which is "".
func parsePattern(s string) (target, error) {
	t, err := parseTarget(s, "1") // any port, for those that name none
	if err == nil && strings.LastIndexByte(s, ':') <= strings.LastIndexByte(s, ']') {
		t.port = ""
	}
	return t, err
}

// normalHost is the normal form of a host name or IP address. Names that a
// resolver or an IDNA mapping could read as another name are errors: anything
// beyond letters, digits, dots, hyphens and underscores, and addresses such as
// 127.1.
func normalHost(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(s, "]") || !ip.Is6() || ip.Zone() != "" {
			return "", fmt.Errorf("%q is not an IPv6 address in brackets", s)
		}
		return ip.Unmap().String(), nil
	}
	host := strings.TrimSuffix(s, ".")
	if host == "" || len(host) > 253 || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, "..") {
		return "", fmt.Errorf("%q is not a host name", s)
	}
	if strings.ContainsFunc(host, notHostRune) {
		return "", fmt.Errorf("%q has characters that host names have not", s)
	}
	if netguard.IsOddAddress(host) {
		return "", fmt.Errorf("%q is an IP address in an unusual form", host)
	}
	return strings.ToLower(host), nil
}

func notHostRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		return false
	default:
		return true
	}
}
