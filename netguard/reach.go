package netguard

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
)

// Reach is how far a dial may go. The zero value is the narrowest.
type Reach int

// From narrow to wide.
const (
	Public  Reach = iota // the public Internet
	Private              // and the operator's own networks, this machine included
	Any                  // and all the rest: link-local, reserved, cloud metadata
)

// ReachOf reads a setting: public, private, any. Whatever else is the narrowest.
func ReachOf(setting string) Reach {
	switch setting {
	case "any":
		return Any
	case "private":
		return Private
	default:
		return Public
	}
}

// ErrRefused is in the chain of every refusal to go somewhere, so that it can be
// told from a failure to get there.
var ErrRefused = errors.New("refused")

// AddressError is an address that is out of reach; it is an ErrRefused.
type AddressError struct {
	Addr  netip.Addr
	Needs Reach // the narrowest that would allow it
}

// Error names the address and what it is.
func (e *AddressError) Error() string {
	if e.Needs == Private {
		return fmt.Sprintf("%s is not a public address", e.Addr)
	}
	return fmt.Sprintf("%s is link-local, reserved or a cloud's metadata service", e.Addr)
}

// Is tells that this is a refusal.
func (e *AddressError) Is(target error) bool { return target == ErrRefused }

// Check says whether addr may be dialled. A refusal is an *AddressError.
func (r Reach) Check(addr netip.Addr) error {
	needs := narrowest(addr)
	if r >= needs {
		return nil
	}
	return &AddressError{Addr: addr, Needs: needs}
}

// Control is a net.Dialer.ControlContext: it refuses the connection to an
// address out of reach before its first packet. What is no IP address and port
// is an error.
func (r Reach) Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dialling %.100q: %w", address, err)
	}
	return r.Check(to.Addr())
}

// IsOddAddress tells a host that some resolvers take for an IPv4 address though
// it is not written as one: 127.1, 2130706433, 0x7f000001, 0177.0.0.1 (WHATWG
// URL, "ends in a number"). It is no name either: no top-level domain is a number
// (RFC 3696 section 2). The host has no brackets and no trailing dot.
func IsOddAddress(host string) bool {
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	hex, isHex := strings.CutPrefix(last, "0x")
	isNumber := last != "" && strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == ""
	_, err := netip.ParseAddr(host)
	return isNumber && err != nil
}
