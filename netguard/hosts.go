package netguard

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Hosts are those that a setting names. The zero value names none.
type Hosts struct{ named map[hostPort]bool }

type hostPort struct{ host, port string } // port "": whichever

// ParseHosts reads hosts and host:ports, in any spelling that ParseHost takes.
func ParseHosts(hosts []string) (Hosts, error) {
	named := make(map[hostPort]bool, len(hosts))
	for _, s := range hosts {
		host, port, err := ParseHost(s)
		if err != nil {
			return Hosts{}, err
		}
		named[hostPort{host, port}] = true
	}
	return Hosts{named: named}, nil
}

// IsEmpty tells whether no host is named.
func (h Hosts) IsEmpty() bool { return len(h.named) == 0 }

// Has tells whether a host in normal form is named without a port.
func (h Hosts) Has(host string) bool { return h.named[hostPort{host: host}] }

// HasPort tells whether it is named with this port.
func (h Hosts) HasPort(host, port string) bool { return port != "" && h.named[hostPort{host, port}] }

// ParseHost reads host[:port] and gives the normal form of the host and the port,
// "" without one. IPv6 addresses are in brackets.
func ParseHost(s string) (host, port string, err error) {
	host = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", "", fmt.Errorf("the port of %.200q is not a number from 1 to 65535", s)
		}
	}
	host, err = NormalHost(host)
	return host, port, err
}

// NormalHost is the one form of a host name or IP address, so that no second
// spelling of it escapes a comparison: lower case, no trailing dot, no brackets,
// addresses as netip prints them, IPv4 in IPv6 unwrapped. Names that a resolver or
// an IDNA mapping could read as another name are errors: anything beyond letters,
// digits, dots, hyphens and underscores of ASCII, and addresses such as 127.1.
func NormalHost(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(s, "]") || !ip.Is6() || ip.Zone() != "" {
			return "", fmt.Errorf("%.200q is not an IPv6 address in brackets", s)
		}
		return ip.Unmap().String(), nil
	}
	host := strings.TrimSuffix(s, ".")
	if host == "" || len(host) > 253 || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, "..") {
		return "", fmt.Errorf("%.200q is not a host name", s)
	}
	if strings.ContainsFunc(host, notHostRune) {
		return "", fmt.Errorf("%.200q has characters that host names in ASCII have not", s)
	}
	if IsOddAddress(host) {
		return "", fmt.Errorf("%.200q is an IP address in an unusual form", host)
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
