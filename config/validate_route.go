package config

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// builtinRoots is the value of certificate.roots for the vendor's published
// certificates, which are part of the binary.
const builtinRoots = "builtin"

var (
	routeName  = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	regionName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
)

func (c *Config) checkRoutes(m *Mistakes) {
	if len(c.Routes) == 0 {
		m.hide("routes", "is empty: give a route, or remove the key for the built-in ones")
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		key := index("routes", i)
		r.check(m, key)
		for j := range c.Routes[:i] {
			if r.Name != "" && c.Routes[j].Name == r.Name {
				m.add(key+".name", r.Name, fmt.Sprintf("a name that no other route has; %s has it", index("routes", j)))
			}
			r.checkReachable(m, key, &c.Routes[j], index("routes", j))
		}
	}
}

func (r *Route) check(m *Mistakes, key string) {
	if !routeName.MatchString(r.Name) {
		m.add(key+".name", r.Name, "1 to 63 of a-z, 0-9 and -")
	}
	if len(r.Hosts) == 0 {
		m.hide(key+".hosts", "is empty: give at least one host name")
	}
	for i, host := range r.Hosts {
		m.check(index(key+".hosts", i), host, hostSyntax(host))
		if slices.Contains(r.Hosts[:i], host) {
			m.add(index(key+".hosts", i), host, "each host once")
		}
	}
	r.checkUpstream(m, key)
	m.oneOf(key+".protocol", r.Protocol, "ark")
	r.checkBasePaths(m, key+".base_paths")
	r.Certificate.check(m, key+".certificate")
	r.Credentials.check(m, key+".credentials")
	for i, path := range r.UnsafePlaintextPaths {
		m.check(index(key+".unsafe_plaintext_paths", i), path, pathSyntax(path))
	}
}

func (r *Route) checkUpstream(m *Mistakes, key string) {
	tls := key + ".upstream_tls"
	switch {
	case r.Upstream == "":
	case !strings.HasPrefix(r.Upstream, "http://"):
		m.check(key+".upstream", r.Upstream, urlSyntax(r.Upstream, "https"))
	case !r.UnsafeUpstreamHTTP:
		m.add(key+".upstream", r.Upstream, "https://host[:port], or set unsafe_upstream_http: true")
	case len(r.UpstreamTLS.Pins) > 0 || r.UpstreamTLS.ClientCertFile != "" || r.UpstreamCAFile != "":
		m.add(key+".upstream", r.Upstream, "https://host[:port], since upstream_ca_file, client_cert_file or pins are set")
	default:
		m.check(key+".upstream", r.Upstream, urlSyntax(r.Upstream, "http"))
	}
	m.oneOf(tls+".min_version", r.UpstreamTLS.MinVersion, "1.2", "1.3")
	m.both(tls+".client_cert_file", r.UpstreamTLS.ClientCertFile, tls+".client_key_file", r.UpstreamTLS.ClientKeyFile)
	for i, pin := range r.UpstreamTLS.Pins {
		if hash, err := base64.StdEncoding.Strict().DecodeString(pin); err != nil || len(hash) != 32 {
			m.add(index(tls+".pins", i), pin, "base64 of a SHA-256 hash, 44 characters")
		}
	}
	if r.UpstreamProxy != "" {
		m.check(key+".upstream_proxy", r.UpstreamProxy, urlSyntax(r.UpstreamProxy, "http", "https"))
	} else if r.UpstreamProxyAuth != "" {
		m.hide(key+".upstream_proxy", "is missing: "+key+".upstream_proxy_auth_file needs it")
	}
}

func (r *Route) checkBasePaths(m *Mistakes, key string) {
	for i, p := range r.BasePaths {
		from := index(key, i) + ".from"
		m.check(from, p.From, pathSyntax(p.From))
		m.check(index(key, i)+".to", p.To, pathSyntax(p.To))
		for j, earlier := range r.BasePaths[:i] {
			if pathCovers(earlier.From, p.From) {
				m.add(from, p.From, fmt.Sprintf("a path that %s.from %q does not cover", index(key, j), earlier.From))
			}
		}
	}
}

// checkReachable wants two routes that share a host to be told apart by their
// base paths; without that the later would never be used.
func (r *Route) checkReachable(m *Mistakes, key string, earlier *Route, earlierKey string) {
	shared := slices.IndexFunc(r.Hosts, func(h string) bool {
		return slices.ContainsFunc(earlier.Hosts, func(e string) bool { return hostCovers(e, h) })
	})
	if shared < 0 {
		return
	}
	if len(r.BasePaths) == 0 || len(earlier.BasePaths) == 0 {
		m.add(index(key+".hosts", shared), r.Hosts[shared],
			fmt.Sprintf("a host that %s does not answer for; or give both routes base_paths, so that they can be told apart", earlierKey))
		return
	}
	for i, p := range r.BasePaths {
		for j, e := range earlier.BasePaths {
			if pathCovers(e.From, p.From) {
				m.add(index(key+".base_paths", i)+".from", p.From,
					fmt.Sprintf("a path that %s.from %q does not cover, since both routes have the host %q", index(earlierKey+".base_paths", j), e.From, r.Hosts[shared]))
			}
		}
	}
}

func (c *Certificate) check(m *Mistakes, key string) {
	m.oneOf(key+".source", c.Source, "api-key", "openapi", "file")
	if c.Roots == "" {
		m.add(key+".roots", c.Roots, builtinRoots+" or the name of a PEM file")
	}
	if c.SkipModeration && !c.AICC {
		m.add(key+".skip_moderation", "true", "only with aicc: true")
	}
	if c.MaxAge <= 0 {
		m.add(key+".max_age", formatDuration(c.MaxAge), "more than 0s")
	}
	if c.ClockSkew < 0 {
		m.add(key+".clock_skew", formatDuration(c.ClockSkew), "0s or more")
	}
	m.goesWith(key, c.Source, []sourceKey{
		{"warm_up", "openapi", len(c.WarmUp) > 0, false},
		{"file", "file", c.File != "", true},
		{"access_key_file", "openapi", c.AccessKeyFile != "", true},
		{"secret_key_file", "openapi", c.SecretKeyFile != "", true},
		{"region", "openapi", c.Region != "", false},
		{"host", "openapi", c.Host != "", false},
	})
	if c.Source != "openapi" {
		return
	}
	if !regionName.MatchString(c.Region) {
		m.add(key+".region", c.Region, "a region such as cn-beijing")
	}
	m.check(key+".host", c.Host, hostSyntax(c.Host))
	for i, model := range c.WarmUp {
		if model == "" || strings.ContainsFunc(model, isControl) || slices.Contains(c.WarmUp[:i], model) {
			m.add(index(key+".warm_up", i), model, "the name of a model or endpoint, each once")
		}
	}
}

// How long a temporary API key may last: long enough to be renewed ahead of its
// end, and what the control plane grants (GetApiKey, DurationSeconds).
const (
	minKeyDuration = time.Hour
	maxKeyDuration = 30 * 24 * time.Hour
)

func (c *Credentials) check(m *Mistakes, key string) {
	m.oneOf(key+".source", c.Source, "request", "file", "openapi")
	if c.Replace && c.Source == "request" {
		m.add(key+".replace", "true", "only with source: file or openapi")
	}
	m.goesWith(key, c.Source, []sourceKey{
		{"api_key_file", "file", c.APIKeyFile != "", true},
		{"access_key_file", "openapi", c.AccessKeyFile != "", true},
		{"secret_key_file", "openapi", c.SecretKeyFile != "", true},
		{"security_token_file", "openapi", c.SecurityTokenFile != "", false},
		{"region", "openapi", c.Region != "", false},
		{"host", "openapi", c.Host != "", false},
	})
	if c.Source == "openapi" {
		if !regionName.MatchString(c.Region) {
			m.add(key+".region", c.Region, "a region such as cn-beijing")
		}
		m.check(key+".host", c.Host, hostSyntax(c.Host))
	}
	if c.Project == "" || strings.ContainsFunc(c.Project, isControl) {
		m.add(key+".project", c.Project, "the name of a project, such as default")
	}
	if c.Duration < minKeyDuration || c.Duration > maxKeyDuration {
		m.add(key+".duration", formatDuration(c.Duration), "from "+formatDuration(minKeyDuration)+" to "+formatDuration(maxKeyDuration))
	}
}

// sourceKey is a key that goes with one source alone.
type sourceKey struct {
	name, source string
	given, need  bool
}

// goesWith wants the keys that a source needs and none of another's.
func (m *Mistakes) goesWith(key, source string, keys []sourceKey) {
	for _, k := range keys {
		switch {
		case k.given && source != k.source:
			m.hide(join(key, k.name), "only goes with source: "+k.source)
		case k.need && !k.given && source == k.source:
			m.hide(join(key, k.name), "is missing: source: "+k.source+" needs it")
		}
	}
}
