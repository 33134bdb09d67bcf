package upstream

import (
	"net/http"

	"sealcar/config"
)

// Config is what of the configuration says how a route goes out.
type Config struct {
	Route    config.Route
	Timeouts config.Timeouts
	Limits   config.Limits
}

// Upstream is the way out of one route. A request goes by Pool if that takes it,
// else by Patient and the transport.
type Upstream struct {
	transport *http.Transport
	pool      *Pool
}

// New makes the way out of a route. It reads the files that the route names for it,
// so that a mistake shows at once, and dials nobody. Close ends it.
func New(c Config) (*Upstream, error) {
	transport, err := NewTransport(c.Route, c.Timeouts, c.Limits)
	if err != nil {
		return nil, err
	}
	t := c.Timeouts
	long := Patient(transport, t.Dial+t.TLSHandshake+t.ResponseHeader)
	return &Upstream{transport: transport, pool: NewPool(transport, long)}, nil
}

// RoundTrip implements http.RoundTripper, for the route's requests.
func (u *Upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	return u.pool.RoundTrip(req)
}

// Transport is for what sealcar itself asks the route's hosts, with time limits of
// its own: certificates and API keys. It dials as the requests do.
func (u *Upstream) Transport() http.RoundTripper { return u.transport }

// Close closes what is idle, and each connection in use once its reply has ended.
func (u *Upstream) Close() {
	u.pool.Close()
	u.transport.CloseIdleConnections()
}
