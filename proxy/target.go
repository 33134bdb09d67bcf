package proxy

import (
	"cmp"
	"fmt"
	"net"

	"sealcar/netguard"
)

// target is a host and port that an application asked for, in one normal form,
// so that no second spelling of a host with a route escapes it.
type target struct {
	host string // as netguard.NormalHost has it
	port string // 1…65535, decimal; "" only where the configuration leaves it open
}

// String is the form for dialing.
func (t target) String() string { return net.JoinHostPort(t.host, t.port) }

// parseTarget reads host[:port]. An absent port becomes defaultPort; without
// one it is an error.
func parseTarget(s, defaultPort string) (target, error) {
	t, err := parsePattern(s)
	if t.port = cmp.Or(t.port, defaultPort); err == nil && t.port == "" {
		err = fmt.Errorf("%.200q has no port", s)
	}
	if err != nil {
		return target{}, err
	}
	return t, nil
}

// parsePattern reads a configured host or host:port; without a port it stands
// for every one, which is "".
func parsePattern(s string) (target, error) {
	host, port, err := netguard.ParseHost(s)
	return target{host: host, port: port}, err
}
