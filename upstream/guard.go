package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"sealcar/config"
)

// maxGuardedHeader bounds the headers of a reply from an address that somebody
// else chose, in bytes.
const maxGuardedHeader = 64 << 10

// Guarded goes to addresses that somebody else chose: those that a certificate
// names for its revocation. It goes where certificate.revocation of the route
// allows and nowhere else:
//
//   - http:// only, to port 80 or 443, or to a host:port of allowed_hosts;
//   - if allowed_hosts is not empty, to hosts in it only;
//   - without allow_private to public addresses only, looked at when dialling,
//     after DNS, so that no name can lead elsewhere; link-local addresses and
//     those of cloud metadata services are never dialled.
//
// Through an egress proxy, which resolves names itself, only an address that
// stands in the URL can be looked at: which networks names may lead to is then
// the proxy's policy.
type Guarded struct {
	transport *http.Transport
	policy    config.Revocation
}

// NewGuarded makes the way of one route. The caller ends it with
// CloseIdleConnections.
func NewGuarded(r config.Route, t config.Timeouts) (*Guarded, error) {
	policy := r.Certificate.Revocation
	direct := &net.Dialer{Timeout: t.Dial, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return checkDialled(address, policy.AllowPrivate)
	}}
	dialer := direct.DialContext
	if r.UpstreamProxy != "" { // the proxy's address is the operator's own choice
		dialer = (&net.Dialer{Timeout: t.Dial}).DialContext
	}
	tlsConfig, err := newTLSConfig(r)
	if err != nil {
		return nil, err
	}
	dial, proxy, err := newEgress(r, tlsConfig.RootCAs, dialer, t.TLSHandshake)
	if err != nil {
		return nil, err
	}
	return &Guarded{policy: policy, transport: &http.Transport{
		Proxy:                  proxy,
		DialContext:            dial,
		DisableKeepAlives:      true, // a few requests a day
		DisableCompression:     true, // a list that is small on the wire could be huge
		MaxResponseHeaderBytes: maxGuardedHeader,
	}}, nil
}

// RoundTrip implements http.RoundTripper. A refusal is an error before anything
// is dialled, or instead of it.
func (g *Guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.check(req); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper closes it, on errors too
		}
		return nil, err
	}
	return g.transport.RoundTrip(req)
}

// CloseIdleConnections ends what is kept open.
func (g *Guarded) CloseIdleConnections() { g.transport.CloseIdleConnections() }

var errNotHTTP = errors.New("only http:// is allowed")

func (g *Guarded) check(req *http.Request) error {
	if req.URL.Scheme != "http" {
		return errNotHTTP
	}
	host, port := strings.ToLower(strings.TrimSuffix(req.URL.Hostname(), ".")), req.URL.Port()
	if port == "" {
		port = "80"
	}
	allowed := g.policy.AllowedHosts
	byName, byPort := slices.Contains(allowed, host) || slices.Contains(allowed, "["+host+"]"), slices.Contains(allowed, net.JoinHostPort(host, port))
	switch {
	case len(allowed) > 0 && !byName && !byPort:
		return fmt.Errorf("host %.200q is not in certificate.revocation.allowed_hosts", host)
	case port != "80" && port != "443" && !byPort:
		return fmt.Errorf("port %s is allowed only as host:port in certificate.revocation.allowed_hosts", port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return checkAddr(addr, g.policy.AllowPrivate)
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; isNumber(last) {
		return fmt.Errorf("host %.200q is an address in an unusual form", host)
	}
	return nil
}

// isNumber tells the last part of a name that some resolvers, the egress proxy's
// perhaps, would take for an IPv4 address: 127.1, 0x7f000001 (WHATWG URL, "ends
// in a number").
func isNumber(label string) bool {
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil
}

func checkDialled(address string, allowPrivate bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %.100q: %w", address, err)
	}
	return checkAddr(ap.Addr(), allowPrivate)
}

func checkAddr(addr netip.Addr, allowPrivate bool) error {
	switch kindOf(addr) {
	case public:
		return nil
	case private:
		if allowPrivate {
			return nil
		}
		return fmt.Errorf("%s is not a public address; certificate.revocation.allow_private would allow it", addr)
	default:
		return fmt.Errorf("%s is never dialled", addr)
	}
}
