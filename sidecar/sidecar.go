package sidecar

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"sealcar/certfetch"
	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/payload"
	"sealcar/proxy"
	"sealcar/translate/anthropic"
	"sealcar/translate/responses"
	"sealcar/upstream"
)

// Options make a sidecar. Config is required.
type Options struct {
	Config  *config.Config
	Machine config.Machine      // what limits of 0 are fitted to; the zero value knows no limits
	Log     zerolog.Logger      // the zero value logs nothing
	Version string              // shown in metrics
	Getenv  func(string) string // asked where the system's certificate authorities are; nil means no environment
}

// New makes the sidecar of a configuration, with both ports bound.
func New(o Options) (*proxy.Proxy, error) {
	var budget *payload.Budget // of all routes, and over reloads: made with the first of them
	return proxy.New(proxy.Options{
		Config:  o.Config,
		Machine: o.Machine,
		Log:     o.Log,
		Version: o.Version,
		Getenv:  o.Getenv,

		ErrorForm: anthropic.FormOf,
		Protocol: func(c *config.Config, r config.Route) (*proxy.Protocol, error) {
			if budget == nil {
				budget = payload.NewBudget(int64(c.Limits.BufferedBytes))
			}
			p, err := NewRoute(c, r, o.Log.With().Str("route", r.Name).Logger())
			if err != nil {
				return nil, err // the proxy names the route
			}
			return p.protocol(budget), nil
		},
	})
}

// Route is what carries one route's requests by ark-v1, the one protocol there
// is.
type Route struct {
	config      config.Route
	out         *upstream.Upstream
	credentials credentials
	sessions    *ark.Sessions // nil: none are made ahead
	references  *responses.References
	endpoints   map[string]*Endpoint // by the upstream's host[:port]
}

// Endpoint is one upstream host of a route, with the parts that a request meets
// on its way there: each host answers for certificates of its own. The sidecar
// uses Way alone; the other parts are for those who examine them one by one.
type Endpoint struct {
	Origin       string            // scheme://host[:port]
	Out          http.RoundTripper // TLS with the route's roots, pins and egress proxy
	Source       certfetch.Source
	Verifier     *certfetch.Verifier
	Revocation   certfetch.RevocationPolicy
	Certificates *certfetch.Cache
	Credentials  ark.Credentials // for requests without a key; nil: each brings its own
	Transport    *ark.Transport
	Way          http.RoundTripper // of requests: what is done to them before they are sealed, then Transport

	settings config.Certificate
}

// NewRoute makes a route. It keeps certificates in c.StateDir. Close ends it.
func NewRoute(c *config.Config, r config.Route, log zerolog.Logger) (*Route, error) {
	return newRoute(c, r, filepath.Join(c.StateDir, "certificates"), log)
}

// NewExaminedRoute makes a route that neither reads nor writes c.StateDir: whoever
// examines it sees what is given now, and leaves no trace. Close ends it.
func NewExaminedRoute(c *config.Config, r config.Route) (*Route, error) {
	return newRoute(c, r, "", zerolog.Nop())
}

func newRoute(c *config.Config, r config.Route, dir string, log zerolog.Logger) (*Route, error) {
	if err := ark.Available(); err != nil {
		return nil, err
	}
	out, err := upstream.New(upstream.Config{Route: r, Timeouts: c.Timeouts, Limits: c.Limits})
	if err != nil {
		return nil, err
	}
	policy, err := residuePolicy(c, r)
	if err != nil {
		return nil, err
	}
	for _, doubt := range policy.Doubts() {
		log.Warn().Msg(doubt)
	}
	keys, err := newCredentials(c, r, out.Transport(), log)
	if err != nil {
		return nil, err
	}
	known := &responses.References{Items: r.References.Items, Bytes: int64(r.References.Bytes), For: r.References.For}
	made := &Route{config: r, out: out, credentials: keys, references: known, endpoints: map[string]*Endpoint{}}
	if c.Sessions.Ahead > 0 {
		made.sessions = ark.NewSessions(ark.SessionsConfig{Ahead: c.Sessions.Ahead, Idle: c.Sessions.Idle})
	}
	for _, origin := range r.Origins() {
		e := &Endpoint{Origin: origin, Out: out.Transport(), Credentials: keys.keys, settings: r.Certificate}
		if err := e.addCertificates(c, r, dir, log); err != nil {
			made.Close()
			return nil, err
		}
		_, host, _ := strings.Cut(origin, "://")
		made.endpoints[host] = e
		if err := e.addTransport(c, r, policy, made); err != nil {
			made.Close()
			return nil, err
		}
	}
	return made, nil
}

// addTransport joins the seal to the rest.
func (e *Endpoint) addTransport(c *config.Config, r config.Route, policy *ark.Policy, of *Route) (err error) {
	e.Transport = &ark.Transport{
		Base:                 of.out,
		Certificates:         e.Certificates,
		Sessions:             of.sessions,
		AICC:                 r.Certificate.AICC,
		Credentials:          e.Credentials,
		ReplaceCredentials:   r.Credentials.Replace,
		SkipModeration:       r.Certificate.SkipModeration,
		Policy:               policy,
		ClearReply:           clearReply(r),
		UnsafePlaintextPaths: r.UnsafePlaintextPaths,
		MaxRequestBytes:      int64(c.Limits.RequestBytes),
		MaxReplyBytes:        int64(c.Limits.ReplyBytes),
		MaxEventBytes:        int(c.Limits.EventBytes),
		ReplyIdle:            c.Timeouts.StreamIdle,
	}
	e.Way, err = translations(c, r, e.Transport, of.references)
	return err
}

// Endpoint is the one that serves base-URL mode.
func (r *Route) Endpoint() *Endpoint {
	_, host, _ := strings.Cut(r.config.Origins()[0], "://")
	return r.endpoints[host]
}

// protocol is the route at work. Only the first host's certificates are warmed
// up: others may well have other models.
func (r *Route) protocol(budget *payload.Budget) *proxy.Protocol {
	r.Endpoint().keepWarm()
	return &proxy.Protocol{RoundTripper: budget.Within(r), Ready: r.ready, Certificates: r.states, CertificateCounts: r.counts, Close: r.Close}
}

// RoundTrip implements http.RoundTripper: it picks the endpoint by the request's
// host. Another host is an error, for the API key is not for it.
func (r *Route) RoundTrip(req *http.Request) (*http.Response, error) {
	e, ok := r.endpoints[req.URL.Host]
	if !ok {
		return nil, fmt.Errorf("route %q has no upstream %q", r.config.Name, req.URL.Host)
	}
	return e.Way.RoundTrip(req)
}

// Close ends what runs for the route.
func (r *Route) Close() {
	for _, e := range r.endpoints {
		e.Certificates.Close()
	}
	if r.sessions != nil {
		r.sessions.Close()
	}
	r.credentials.close()
	r.references.Close()
	r.out.Close()
}
