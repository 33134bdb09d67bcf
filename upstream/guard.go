package upstream

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"sealcar/config"
	"sealcar/netguard"
)

// maxGuardedHeader bounds the headers of a reply from an address that somebody
// else chose, in bytes.
const maxGuardedHeader = 64 << 10

// Bounds say where addresses that somebody else chose may lead. The zero value
// is http:// on every public host.
type Bounds struct {
	Setting      string         // the settings that these are, for errors: certificate.revocation
	HTTPS        bool           // https:// too, verified as the route's upstream is, but for its pins
	AllowedHosts []string       // host or host:port; empty means every host
	Reach        netguard.Reach // which networks
}

// Guarded goes to addresses that somebody else chose: those that a certificate
// names for its revocation, those of images in a chat. It goes where its Bounds
// allow and nowhere else:
//
//   - http://, and https:// if Bounds say so, to port 80 or 443, or to a
//     host:port of AllowedHosts, without credentials;
//   - if AllowedHosts is not empty, to hosts in it only;
//   - to addresses within Reach only, looked at when dialling, after DNS, so
//     that no name can lead elsewhere.
//
// A redirect is an answer like any other: who follows it comes by here again.
// Through an egress proxy, which resolves names itself, only an address that
// stands in the URL can be looked at: which networks names may lead to is then
// the proxy's policy.
type Guarded struct {
	transport *http.Transport
	bounds    Bounds
	hosts     netguard.Hosts // of AllowedHosts
}

// NewGuarded makes a way out beside that of a route: with its roots, its egress
// proxy and its time limits. It keeps no connection, so nothing ends it.
func NewGuarded(r config.Route, t config.Timeouts, b Bounds) (*Guarded, error) {
	hosts, err := netguard.ParseHosts(b.AllowedHosts)
	if err != nil {
		return nil, fmt.Errorf("%s.allowed_hosts: %w", b.Setting, err)
	}
	dialer := &net.Dialer{Timeout: t.Dial, ControlContext: b.Reach.Control}
	if r.UpstreamProxy != "" { // the proxy's address is the operator's own choice
		dialer.ControlContext = nil
	}
	roots, err := newRoots(r.UpstreamCAFile, r.UpstreamCA)
	if err != nil {
		return nil, err
	}
	dial, proxy, err := newEgress(r, roots, dialer.DialContext, t.TLSHandshake)
	if err != nil {
		return nil, err
	}
	return &Guarded{bounds: b, hosts: hosts, transport: &http.Transport{
		Proxy:                  proxy,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, // pins and client certificate are for the upstream
		TLSHandshakeTimeout:    t.TLSHandshake,
		DisableKeepAlives:      true, // no connection outlives what it was looked at for
		DisableCompression:     true, // what is small on the wire could be huge
		MaxResponseHeaderBytes: maxGuardedHeader,
	}}, nil
}

// RoundTrip implements http.RoundTripper. A refusal is a netguard.ErrRefused,
// before anything is dialled, or instead of it.
func (g *Guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.check(req); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper closes it, on errors too
		}
		return nil, g.hint(err)
	}
	resp, err := g.transport.RoundTrip(req)
	return resp, g.hint(err)
}

// hint tells of the setting that would allow what was refused.
func (g *Guarded) hint(err error) error {
	if e, ok := errors.AsType[*netguard.AddressError](err); ok && e.Needs == netguard.Private {
		return refused("%v; %s.addresses: private would allow it", e, g.bounds.Setting)
	}
	return err
}

func (g *Guarded) check(req *http.Request) error {
	u := req.URL
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	switch {
	case u.Scheme != "http" && !g.bounds.HTTPS:
		return refused("only http:// is allowed")
	case port == "":
		return refused("only http:// and https:// are allowed")
	case u.User != nil:
		return refused("credentials in an address are not allowed")
	}
	host, own, err := netguard.ParseHost(u.Host)
	if err != nil {
		return refused("%v", err)
	}
	if addr, err := netip.ParseAddr(host); err == nil { // an egress proxy might be the one to dial it
		if err := g.bounds.Reach.Check(addr); err != nil {
			return err
		}
	}
	return g.allows(host, cmp.Or(own, port))
}

func (g *Guarded) allows(host, port string) error {
	byName, byPort := g.hosts.Has(host), g.hosts.HasPort(host, port)
	switch {
	case !g.hosts.IsEmpty() && !byName && !byPort:
		return refused("host %.200q is not in %s.allowed_hosts", host, g.bounds.Setting)
	case port != "80" && port != "443" && !byPort:
		return refused("port %s is allowed only as host:port in %s.allowed_hosts", port, g.bounds.Setting)
	default:
		return nil
	}
}

// refusedError is a netguard.ErrRefused that says all there is to say: callers
// show the innermost error.
type refusedError string

func (e refusedError) Error() string        { return string(e) }
func (e refusedError) Is(target error) bool { return target == netguard.ErrRefused }

func refused(format string, args ...any) error { return refusedError(fmt.Sprintf(format, args...)) }
