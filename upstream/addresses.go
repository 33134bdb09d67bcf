package upstream

import (
	"net/netip"
	"slices"
)

// addrKind is who can be behind an address.
type addrKind int

const (
	public  addrKind = iota
	private          // a network of the operator's, this machine included
	never            // nobody whom a certificate could mean
)

// Networks that are not public, beyond what net/netip knows by itself (IANA
// special-purpose address registries, RFC 6890).
//
//nolint:gochecknoglobals // immutable tables
var (
	privateNets = []netip.Prefix{
		netip.MustParsePrefix("100.64.0.0/10"),  // shared address space, CGNAT (RFC 6598)
		netip.MustParsePrefix("198.18.0.0/15"),  // benchmarking (RFC 2544)
		netip.MustParsePrefix("64:ff9b:1::/48"), // local NAT64 (RFC 8215)
		netip.MustParsePrefix("fec0::/10"),      // site-local, deprecated (RFC 3879)
	}
	neverNets = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),    // this network
		netip.MustParsePrefix("192.0.0.0/24"), // IETF protocols; cloud metadata at .192
		netip.MustParsePrefix("192.0.2.0/24"), // documentation, and the next two
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),    // reserved, broadcast
		netip.MustParsePrefix("100.96.0.96/32"), // cloud metadata, as the next two
		netip.MustParsePrefix("100.100.100.200/32"),
		netip.MustParsePrefix("fd00:ec2::254/128"),
		netip.MustParsePrefix("100::/64"),      // discard (RFC 6666)
		netip.MustParsePrefix("2001::/32"),     // Teredo: the real target is hidden in it
		netip.MustParsePrefix("2001:db8::/32"), // documentation
		netip.MustParsePrefix("2002::/16"),     // 6to4: the same
	}
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: an IPv4 address for who has IPv6 only
	globalUnicast = netip.MustParsePrefix("2000::/3")     // all that IANA has given out of IPv6 so far
)

func kindOf(addr netip.Addr) addrKind {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		return kindOf(netip.AddrFrom4([4]byte(b[12:])))
	}
	in := func(p netip.Prefix) bool { return p.Contains(addr) }
	switch {
	case !addr.IsValid(), addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast(), slices.ContainsFunc(neverNets, in):
		return never
	case addr.IsLoopback(), addr.IsPrivate(), slices.ContainsFunc(privateNets, in):
		return private
	case addr.Is6() && !globalUnicast.Contains(addr):
		return never
	default:
		return public
	}
}
