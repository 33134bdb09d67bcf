package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// errSelfDial stops a dial that would end at one of our own listeners.
var errSelfDial = errors.New("the address is sealcar's own")

// self knows the addresses that this process listens on, so that it never
// talks to itself and knows its own name when it hears it.
type self struct {
	data  netip.AddrPort
	admin netip.AddrPort // the zero value when admin is off
}

// isDataPort reports whether an application that asks for t means our own data
// port, and so base-URL mode.
func (s self) isDataPort(t target) bool {
	ip, ok := hostIP(t.host)
	return ok && t.port == strconv.Itoa(int(s.data.Port())) && reaches(ip, s.data.Addr())
}

// answersTo reports whether host is ours on whatever port, for port forwards
// change that. Only addresses and localhost are: other names can be rebound.
func (s self) answersTo(host string) bool {
	ip, ok := hostIP(host)
	return ok && (ip.IsLoopback() || reaches(ip, s.data.Addr()))
}

// check refuses our own listeners by the address that a name resolved to, when
// it is too late to resolve to another.
func (s self) check(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialing %q: %w", address, err)
	}
	for _, own := range []netip.AddrPort{s.data, s.admin} {
		if own.IsValid() && to.Port() == own.Port() && reaches(to.Addr().Unmap(), own.Addr()) {
			return errSelfDial
		}
	}
	return nil
}

// hostIP is the address of an IP literal or localhost.
func hostIP(host string) (netip.Addr, bool) {
	if host == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	ip, err := netip.ParseAddr(host)
	return ip, err == nil
}

// reaches reports whether a connection to ip may arrive at a listener on
// listen. All of loopback counts as one, and so does the unspecified address,
// which the kernel takes for loopback.
func reaches(ip, listen netip.Addr) bool {
	local := ip.IsLoopback() || ip.IsUnspecified()
	switch {
	case listen.IsLoopback():
		return local
	case listen.IsUnspecified():
		return local || slices.Contains(interfaceIPs(), ip)
	default:
		return ip == listen
	}
}

// interfaceIPs are the addresses of this host; none if the system does not tell.
func interfaceIPs() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var ips []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			ips = append(ips, prefix.Addr().Unmap())
		}
	}
	return ips
}

// addrPort is a listener's address; a listener that is not TCP has none.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
