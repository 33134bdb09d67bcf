package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"sealcar/apierror"
	"sealcar/config"
	"sealcar/netguard"
)

// egress is what applications may reach without a route. Host and port are
// checked before anything is dialled, addresses when they are about to be, so
// that no name can lead elsewhere than what was checked.
type egress struct {
	deny   bool
	hosts  netguard.Hosts // none: every host
	ports  []string       // nil: every port
	dialer *net.Dialer
}

// newEgress makes the rules of c. Where a setting leaves it open, they are those
// of a sidecar if only this machine can reach the data port: then its
// applications could dial by themselves whatever sealcar would dial for them.
// They are those of a gateway if others can.
func (p *Proxy) newEgress(c *config.Config) (*egress, error) {
	hosts, err := netguard.ParseHosts(c.Egress.AllowedHosts)
	if err != nil {
		return nil, fmt.Errorf("egress.allowed_hosts: %w", err)
	}
	e := &egress{deny: c.Egress.Default == "deny", hosts: hosts}
	local := p.self.data.Addr().IsLoopback()
	for _, port := range c.Egress.AllowedPorts {
		e.ports = append(e.ports, strconv.Itoa(port))
	}
	if e.ports == nil && !local {
		e.ports = []string{"443", "80"}
	}
	e.dialer = &net.Dialer{Timeout: c.Timeouts.Dial, Resolver: p.options.Resolver, ControlContext: p.guard(reachOf(c.Egress.Addresses, local))}
	return e, nil
}

// reachOf reads egress.addresses.
func reachOf(setting string, local bool) netguard.Reach {
	if setting == "auto" && local {
		return netguard.Private
	}
	return netguard.ReachOf(setting)
}

// guard refuses our own listeners and what is out of reach.
func (p *Proxy) guard(reach netguard.Reach) func(context.Context, string, string, syscall.RawConn) error {
	return func(ctx context.Context, network, address string, raw syscall.RawConn) error {
		if err := p.self.check(address); err != nil {
			return err
		}
		return reach.Control(ctx, network, address, raw)
	}
}

// check refuses a target that must not even be looked up.
func (e *egress) check(to target) *apierror.Error {
	named := e.hosts.HasPort(to.host, to.port)
	switch {
	case e.deny:
		return refusal("egress_denied", "%s has no route, and egress.default is deny. Add a route for it or set egress.default to tunnel.", to)
	case !e.hosts.IsEmpty() && !named && !e.hosts.Has(to.host):
		return refusal("host_not_allowed", "%s has no route and is not in egress.allowed_hosts. Add it there, or add a route for it.", to.host)
	case e.ports != nil && !named && !slices.Contains(e.ports, to.port):
		return refusal("port_not_allowed", "Port %s of a host without a route is not in egress.allowed_ports. Add it there, or the host with its port to egress.allowed_hosts.", to.port)
	default:
		return nil
	}
}
