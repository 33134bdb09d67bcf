package proxy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sealcar/config"
)

// route is a configured route, ready to match and to carry requests.
type route struct {
	config.Route
	targets  []target // Hosts; without a port they stand for 80 and 443
	base     *url.URL // Upstream; nil means https to the target
	protocol *Protocol
}

func newRoute(c config.Route, protocol *Protocol) (*route, error) {
	r := &route{Route: c, protocol: protocol}
	for _, h := range c.Hosts {
		t, err := parsePattern(h)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", c.Name, err)
		}
		r.targets = append(r.targets, t)
	}
	if len(r.targets) == 0 {
		return nil, fmt.Errorf("route %q has no hosts", c.Name)
	}
	if c.Upstream != "" {
		base, err := url.Parse(c.Upstream)
		if err != nil {
			return nil, fmt.Errorf("route %q: parsing upstream: %w", c.Name, err)
		}
		r.base = base
	}
	return r, nil
}

// match is the route's own target for what an application asked for: the same
// host, and the port that the route names or else a default port of the web.
func (r *route) match(t target) (target, bool) {
	for _, own := range r.targets {
		if own.host == t.host && (own.port == t.port || own.port == "" && (t.port == "443" || t.port == "80")) {
			return own, true
		}
	}
	return target{}, false
}

// claims is the route's own target for what may not be reached but by this
// route. A route without a port claims its host on every port, though it
// serves only two.
func (r *route) claims(t target) (target, bool) {
	for _, own := range r.targets {
		if own.host == t.host && (own.port == "" || own.port == t.port) {
			return own, true
		}
	}
	return target{}, false
}

// serves reports whether the path belongs to this route in base-URL mode.
func (r *route) serves(escapedPath string) bool {
	return slices.ContainsFunc(r.BasePaths, func(b config.BasePath) bool {
		return under(escapedPath, b.From) || under(escapedPath, b.To)
	})
}

// upstreamPath maps a path as the application has it to the upstream's. A path
// that is the upstream's already stays.
func (r *route) upstreamPath(escapedPath string) string {
	for _, b := range r.BasePaths {
		if under(escapedPath, b.To) {
			return escapedPath
		}
	}
	for _, b := range r.BasePaths {
		if under(escapedPath, b.From) {
			return strings.TrimSuffix(b.To, "/") + strings.TrimPrefix(escapedPath, strings.TrimSuffix(b.From, "/"))
		}
	}
	return escapedPath
}

// under reports whether path is base or below it, at a segment boundary.
func under(path, base string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(base, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// upstreamURL is where a request for one of the route's targets goes, whatever
// door it came through.
func (r *route) upstreamURL(own target, escapedPath, rawQuery string) (*url.URL, error) {
	u := url.URL{Scheme: "https", Host: own.webHost()}
	if r.base != nil {
		u = *r.base
	}
	mapped := r.upstreamPath(escapedPath)
	var err error
	if u.Path, err = url.PathUnescape(mapped); err != nil {
		return nil, fmt.Errorf("unescaping the path: %w", err)
	}
	u.RawPath = mapped
	u.RawQuery = rawQuery
	return &u, nil
}

// webHost is the target as the host part of an https URL: default ports, also
// port 80 that only plain HTTP has, are left out.
func (t target) webHost() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.port == "" || t.port == "443" || t.port == "80" {
		return host
	}
	return host + ":" + t.port
}
