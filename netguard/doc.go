// Package netguard keeps dials away from addresses that whoever named them was
// not meant to reach: the guard against server-side request forgery. It is asked
// about the address that is about to be dialled, after DNS, so that no name and
// no second answer of a resolver can lead elsewhere.
//
// Start at Reach and its Control, which a net.Dialer calls before it connects.
// addresses.go is the table of networks; hosts.go has the hosts that a setting
// names, and the one form in which hosts are compared. What is refused, each as an
// *AddressError: by Public all that is not the public Internet, by Private what
// no operator's server can be behind (link-local, multicast, reserved ranges,
// addresses that hide another one) and the metadata services of clouds.
package netguard
