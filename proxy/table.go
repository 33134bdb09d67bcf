package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"sealcar/config"
	"sealcar/netguard"
)

// table is all that one configuration says about requests. It never changes; a
// reload puts another in its place, and requests on their way keep theirs.
type table struct {
	config    *config.Config
	routes    []*route
	authority *authority
	egress    *egress         // what may be reached without a route
	direct    *http.Transport // to hosts without a route
	allowed   netguard.Hosts  // AllowedHosts; those without a port stand for every one

	users   int  // requests at work; guarded by Proxy.mu
	retired bool // replaced; guarded by Proxy.mu
}

// newTable makes the routes of c and their protocols, and an authority that may
// vouch for their hosts.
func (p *Proxy) newTable(c *config.Config) (*table, error) {
	allowed, err := netguard.ParseHosts(c.AllowedHosts)
	if err != nil {
		return nil, fmt.Errorf("allowed_hosts: %w", err)
	}
	out, err := p.newEgress(c)
	if err != nil {
		return nil, err
	}
	t := &table{config: c, egress: out, direct: newDirect(out.dialer, c), allowed: allowed}
	for _, rc := range c.Routes {
		protocol, err := p.options.Protocol(c, rc)
		if err != nil {
			t.close()
			return nil, fmt.Errorf("route %q: %w", rc.Name, err)
		}
		r, err := newRoute(rc, protocol)
		if err != nil {
			closeProtocol(protocol)
			t.close()
			return nil, err
		}
		t.routes = append(t.routes, r)
	}
	if t.authority, err = p.openAuthority(c, t.hosts()); err != nil {
		t.close()
		return nil, fmt.Errorf("local CA: %w", err)
	}
	return t, nil
}

// newDirect is the transport to hosts without a route. It knows no proxy: one
// from the environment could be ourselves.
func newDirect(dialer *net.Dialer, c *config.Config) *http.Transport {
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    c.Timeouts.TLSHandshake,
		ResponseHeaderTimeout:  c.Timeouts.ResponseHeader,
		IdleConnTimeout:        c.Timeouts.Idle,
		MaxResponseHeaderBytes: int64(c.Limits.HeaderBytes),
		MaxIdleConns:           100,
		DisableCompression:     true, // the reply is the application's, as it asked for it
	}
}

// allows reports whether a Host header is one of allowed_hosts.
func (t *table) allows(to target) bool {
	return t.allowed.Has(to.host) || t.allowed.HasPort(to.host, to.port)
}

// hosts are the routed hosts, the ones that the local CA vouches for.
func (t *table) hosts() []string {
	var hosts []string
	for _, r := range t.routes {
		for _, own := range r.targets {
			hosts = append(hosts, own.host)
		}
	}
	return hosts
}

// match is the route that serves to, with its own target.
func (t *table) match(to target, escapedPath string) (*route, target) {
	return t.choose((*route).match, to, escapedPath)
}

// claim is the route without which to may not be reached, with its own target.
func (t *table) claim(to target, escapedPath string) (*route, target) {
	return t.choose((*route).claims, to, escapedPath)
}

// choose is the first route that covers to and has a base path for the path:
// routes may share a host. If none has, or there is no path yet, it is the first
// that covers to.
func (t *table) choose(covers func(*route, target) (target, bool), to target, escapedPath string) (found *route, own target) {
	for _, r := range t.routes {
		its, ok := covers(r, to)
		if ok && r.serves(escapedPath) {
			return r, its
		}
		if ok && found == nil {
			found, own = r, its
		}
	}
	return found, own
}

// byPath is the route of a base-URL request, or nil.
func (t *table) byPath(escapedPath string) *route {
	for _, r := range t.routes {
		if r.serves(escapedPath) {
			return r
		}
	}
	return nil
}

func (t *table) close() {
	for _, r := range t.routes {
		closeProtocol(r.protocol)
	}
	t.direct.CloseIdleConnections()
}

func closeProtocol(p *Protocol) {
	if p.Close != nil {
		p.Close()
	}
}

// acquire gives the table in force, to be given back with release; nil once the
// proxy has stopped.
func (p *Proxy) acquire() *table {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.table != nil {
		p.table.users++
	}
	return p.table
}

func (p *Proxy) release(t *table) {
	p.mu.Lock()
	t.users--
	last := t.retired && t.users == 0
	p.mu.Unlock()
	if last {
		t.close()
		p.tables.Done()
	}
}

var errStopped = errors.New("the proxy has stopped")

// replace puts next in force, nil to stop, and closes the table before it once
// its last request is done. p.tables counts those not closed yet; nothing is
// added to it after a stop, so that it can be waited for.
func (p *Proxy) replace(next *table) error {
	p.mu.Lock()
	old := p.table
	if old == nil {
		p.mu.Unlock()
		return errStopped
	}
	if next != nil {
		p.tables.Add(1)
	}
	p.table = next
	old.retired = true
	old.users++ // ours, so that release does the rest
	p.mu.Unlock()
	p.release(old)
	return nil
}
