package sidecar

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"sealcar/certfetch"
	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/proxy"
	"sealcar/upstream"
)

// New makes the sidecar of a configuration, with both ports bound. getenv is
// asked for where the system's certificate authorities are.
func New(c *config.Config, log zerolog.Logger, version string, getenv func(string) string) (*proxy.Proxy, error) {
	return proxy.New(proxy.Options{
		Config:  c,
		Log:     log,
		Version: version,
		Getenv:  getenv,
		Protocol: func(c *config.Config, r config.Route) (*proxy.Protocol, error) {
			p, err := newRoute(c, r, log.With().Str("route", r.Name).Logger())
			if err != nil {
				return nil, fmt.Errorf("route %q: %w", r.Name, err)
			}
			return p.protocol(), nil
		},
	})
}

// route is what carries one route's requests by ark-v1, the one protocol there
// is. Each upstream host answers for certificates of its own, so each has its
// own client half.
type route struct {
	config      config.Route
	out         *http.Transport
	credentials credentials
	halves      map[string]*half // by the upstream's host[:port]
}

// half is the client half of the protocol towards one upstream host.
type half struct {
	transport    *ark.Transport
	certificates *certfetch.Cache
}

func newRoute(c *config.Config, r config.Route, log zerolog.Logger) (*route, error) {
	out, err := upstream.NewTransport(r, c.Timeouts, c.Limits)
	if err != nil {
		return nil, err
	}
	keys, err := newCredentials(c, r, out, log)
	if err != nil {
		return nil, err
	}
	made := &route{config: r, out: out, credentials: keys, halves: map[string]*half{}}
	for _, origin := range r.Origins() {
		certificates, err := newCertificates(c, r, origin, out, log)
		if err != nil {
			made.close()
			return nil, err
		}
		h := &half{certificates: certificates, transport: &ark.Transport{
			Base:                 out,
			Certificates:         certificates,
			AICC:                 r.Certificate.AICC,
			Credentials:          keys.keys,
			ReplaceCredentials:   r.Credentials.Replace,
			SkipModeration:       r.Certificate.SkipModeration,
			UnsafePlaintextPaths: r.UnsafePlaintextPaths,
			MaxRequestBytes:      int64(c.Limits.RequestBytes),
			MaxReplyBytes:        int64(c.Limits.ReplyBytes),
			MaxEventBytes:        int(c.Limits.EventBytes),
			ReplyIdle:            c.Timeouts.StreamIdle,
		}}
		_, host, _ := strings.Cut(origin, "://")
		made.halves[host] = h
	}
	return made, nil
}

func (r *route) protocol() *proxy.Protocol {
	return &proxy.Protocol{RoundTripper: r, Ready: r.ready, Certificates: r.states, CertificateCounts: r.counts, Close: r.close}
}

// RoundTrip implements http.RoundTripper: it picks the half by the request's
// host. Another host is an error, for the API key is not for it.
func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	h, ok := r.halves[req.URL.Host]
	if !ok {
		return nil, fmt.Errorf("route %q has no upstream %q", r.config.Name, req.URL.Host)
	}
	return h.transport.RoundTrip(req)
}

func (r *route) close() {
	for _, h := range r.halves {
		h.certificates.Close()
	}
	r.credentials.close()
	r.out.CloseIdleConnections()
}
