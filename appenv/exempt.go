package appenv

import (
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"unicode"
)

// LeftOut is an exception from the proxy that the application has and that is not
// kept.
type LeftOut struct {
	Entry string // as the application has it, without credentials
	Why   string
}

// LeftOuts are the exceptions from the proxy that Variables does not keep: the
// application would miss them, and nobody else says so.
func LeftOuts(s Settings, getenv func(string) string) []LeftOut {
	var left []LeftOut
	for _, entry := range entries(getenv("NO_PROXY"), getenv("no_proxy")) {
		if why := dangerous(entry, s.Hosts); why != "" {
			left = append(left, LeftOut{Entry: entry[strings.LastIndex(entry, "@")+1:], Why: why})
		}
	}
	return left
}

// exemptions are what goes around the proxy: this machine, the cluster, and
// what the application's lists name, each once, but nothing that covers a
// routed host, and nothing of which no one can say what it covers.
func exemptions(hosts []string, lists ...string) []string {
	// httpx takes no address ranges, and curl no *.name.
	lists = append([]string{"localhost,127.0.0.1,::1,.svc,.cluster.local"}, lists...)
	return slices.DeleteFunc(entries(lists...), func(entry string) bool { return dangerous(entry, hosts) != "" })
}

// entries are those of all lists, each once.
func entries(lists ...string) []string {
	var all []string
	for _, list := range lists {
		for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
			if !slices.Contains(all, entry) {
				all = append(all, entry)
			}
		}
	}
	return all
}

// dangerous tells why an entry may not be kept, "" if it may.
func dangerous(entry string, hosts []string) string {
	if strings.Trim(entry, "*.") == "" {
		return "it would lead every request around sealcar, in clear"
	}
	if i := slices.IndexFunc(hosts, func(h string) bool { return exempts(entry, h) }); i >= 0 {
		return "it would lead requests to " + hosts[i] + " around sealcar, in clear"
	}
	if !isPlain(entry) {
		return "clients read it differently; give names, addresses and ranges, with commas between them"
	}
	return ""
}

// isPlain tells whether an entry is a name, a pattern, an address or a range, with
// or without a port. Some clients read more: httpx takes all://*.name, and others
// take name/ or user@name.
func isPlain(entry string) bool {
	if strings.Contains(entry, "/") {
		_, err := netip.ParsePrefix(entry)
		return err == nil
	}
	return !strings.ContainsFunc(entry, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._*:[]", r)
	})
}

// exempts tells whether any client takes the entry to cover the host. Clients
// differ, so the widest reading decides: a port in the entry is no bound, and a
// name covers whatever ends in it.
func exempts(entry, host string) bool {
	entry, host = strings.ToLower(bareHost(entry)), strings.ToLower(bareHost(host))
	if addr, err := netip.ParseAddr(host); err == nil {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			return holds(prefix, addr.Unmap())
		}
		if ip, err := netip.ParseAddr(entry); err == nil {
			return ip.Unmap() == addr.Unmap()
		}
	}
	ending := strings.TrimPrefix(entry, "*")
	if strings.Contains(ending, "*") {
		matched, err := path.Match(entry, host)
		return matched || err != nil // what cannot be read might cover it
	}
	return strings.HasSuffix(host, strings.Trim(ending, "."))
}

// holds is prefix.Contains for clients to which ::ffff:10.0.0.0/104 is 10.0.0.0/8.
func holds(prefix netip.Prefix, addr netip.Addr) bool {
	if prefix.Addr().Is4In6() {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), max(0, prefix.Bits()-96))
	}
	return prefix.Contains(addr)
}

// bareHost is a host without port and brackets.
func bareHost(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return strings.Trim(s, "[]")
}

// javaExemptions are the entries in the form of http.nonProxyHosts, which has
// no address ranges.
func javaExemptions(entries []string) string {
	var hosts []string
	for _, entry := range entries {
		switch addr, err := netip.ParseAddr(bareHost(entry)); {
		case err == nil && addr.Is6():
			hosts = append(hosts, "["+addr.String()+"]")
		case strings.Contains(entry, "/"):
		case strings.HasPrefix(entry, "."):
			hosts = append(hosts, "*"+entry)
		default:
			hosts = append(hosts, bareHost(entry))
		}
	}
	return strings.Join(hosts, "|")
}
