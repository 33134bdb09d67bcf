package netguard

import (
	"net/netip"
	"slices"
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
	otherNets = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),    // this network
		netip.MustParsePrefix("192.0.0.0/24"), // IETF protocols; cloud metadata at .192
		netip.MustParsePrefix("192.0.2.0/24"), // documentation, and the next two
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"),     // 6to4 relays, deprecated (RFC 7526)
		netip.MustParsePrefix("240.0.0.0/4"),        // reserved, broadcast
		netip.MustParsePrefix("100.96.0.96/32"),     // cloud metadata: Volcengine
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure's platform, in public space
		netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
		netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
		netip.MustParsePrefix("100::/64"),           // discard (RFC 6666)
		netip.MustParsePrefix("2001::/23"),          // IETF protocols; Teredo, which hides the real target, among them
		netip.MustParsePrefix("2001:db8::/32"),      // documentation, as the next
		netip.MustParsePrefix("3fff::/20"),
		netip.MustParsePrefix("2002::/16"), // 6to4: the real target is hidden in it
	}
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: an IPv4 address for who has IPv6 only
	globalUnicast = netip.MustParsePrefix("2000::/3")     // all that IANA has given out of IPv6 so far
)

// narrowest is the narrowest reach that includes addr.
func narrowest(addr netip.Addr) Reach {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		return narrowest(netip.AddrFrom4([4]byte(b[12:])))
	}
	in := func(p netip.Prefix) bool { return p.Contains(addr) }
	switch {
	case !addr.IsValid(), addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast(), slices.ContainsFunc(otherNets, in):
		return Any
	case addr.IsLoopback(), addr.IsPrivate(), slices.ContainsFunc(privateNets, in):
		return Private
	case addr.Is6() && !globalUnicast.Contains(addr):
		return Any
	default:
		return Public
	}
}
