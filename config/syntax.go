package config

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The …Syntax functions say what is allowed if a value is not well formed, and
// nothing if it is.

var (
	hostLabel     = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	numericLabel  = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)
	pathCharacter = regexp.MustCompile(`^[A-Za-z0-9/._~!$&'()*+,=:@-]+$`)
)

// hostSyntax allows host and host:port, in the one spelling that requests are
// compared with: no trailing dot, no Unicode (punycode instead), no IP address
// in an unusual form (127.1, 0x7f.1), IPv6 in brackets.
func hostSyntax(s string) string {
	const form = "host or host:port, without scheme, path or user; international names as xn--…, IPv6 in brackets"
	host, port := splitPort(s)
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return form
		}
	} else if len(host) != len(s) { // a colon with nothing behind it
		return form
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !closed || err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" || addr.String() != inner {
			return form
		}
		return ""
	}
	return nameSyntax(host, form)
}

func nameSyntax(host, form string) string {
	labels := strings.Split(host, ".")
	if numericLabel.MatchString(labels[len(labels)-1]) { // whatever ends in a number is an IPv4 address: WHATWG URL, 3.5
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is4() {
			return form
		}
		return ""
	}
	if len(host) > 253 || slices.ContainsFunc(labels, func(l string) bool { return !hostLabel.MatchString(l) }) {
		return form
	}
	return ""
}

// splitPort cuts a port off; the host keeps its brackets.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// hostCovers tells whether every request for host b is also one for host a. A
// host without a port stands for the ports 443 and 80.
func hostCovers(a, b string) bool {
	if a == b {
		return true
	}
	hostA, portA := splitPort(a)
	hostB, portB := splitPort(b)
	return hostA == hostB && portA == "" && (portB == "443" || portB == "80")
}

// urlSyntax allows scheme://host[:port] with nothing behind it.
func urlSyntax(s string, schemes ...string) string {
	scheme, host, ok := strings.Cut(s, "://")
	if ok && slices.Contains(schemes, scheme) && hostSyntax(host) == "" {
		return ""
	}
	return strings.Join(schemes, " or ") + "://host[:port], without user, path or query"
}

// pathSyntax allows an absolute path in its shortest form.
func pathSyntax(s string) string {
	if strings.HasPrefix(s, "/") && path.Clean(s) == s && pathCharacter.MatchString(s) {
		return ""
	}
	return "an absolute path such as /v1, without //, . and .. segments, percent-encoding, query or trailing slash"
}

// pathCovers tells whether path a leads to path b at a segment boundary.
func pathCovers(a, b string) bool {
	rest, ok := strings.CutPrefix(b, strings.TrimSuffix(a, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

func isControl(r rune) bool { return unicode.IsControl(r) }
