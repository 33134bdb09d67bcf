package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	routeName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	modelName = regexp.MustCompile(`^[A-Za-z0-9_.:/@+|-]{1,128}$`) // others are refused in requests: it leaves in clear
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
	for i, dialect := range r.Dialects {
		m.oneOf(index(key+".dialects", i), dialect, "responses", "anthropic")
	}
	r.References.check(m, key+".item_references")
	r.Certificate.check(m, key+".certificate")
	r.Credentials.check(m, key+".credentials")
	r.checkWarmUp(m, key)
	r.checkModels(m, key+".models")
	r.checkResidue(m, key)
	r.InlineImages.check(m, key+".inline_images")
	for i, path := range r.UnsafePlaintextPaths {
		m.check(index(key+".unsafe_plaintext_paths", i), path, r.plaintextPath(path))
	}
}

// plaintextPath says what is wrong with a path that may pass in clear, or "".
func (r *Route) plaintextPath(path string) string {
	switch {
	case strings.Contains(path, "*"):
		return "one path, for it is compared as it stands and a * covers nothing"
	case path == "/api/v3/chat/completions", path == "/api/v3/batch/chat/completions":
		return "a path that cannot be sealed, and chats on this one are"
	case path == "/api/v3/e2e/get/certificate", pathCovers("/api/v3/models", path):
		return "a path that takes content; what this one gives passes without"
	}
	if wrong := pathSyntax(path); wrong != "" {
		return wrong
	}
	if upstream := r.upstreamPath(path); upstream != path {
		return fmt.Sprintf("a path as the upstream has it, behind base_paths: %s", upstream)
	}
	return ""
}

// upstreamPath is what base_paths make of a path, as package proxy maps it.
func (r *Route) upstreamPath(path string) string {
	if slices.ContainsFunc(r.BasePaths, func(p BasePath) bool { return pathCovers(p.To, path) }) {
		return path
	}
	for _, p := range r.BasePaths {
		if pathCovers(p.From, path) {
			return strings.TrimSuffix(p.To, "/") + strings.TrimPrefix(path, strings.TrimSuffix(p.From, "/"))
		}
	}
	return path
}

func (r *Route) checkUpstream(m *Mistakes, key string) {
	tls := key + ".upstream_tls"
	switch {
	case r.Upstream == "":
	case !strings.HasPrefix(r.Upstream, "http://"):
		m.check(key+".upstream", r.Upstream, urlSyntax(r.Upstream, "https"))
	case !r.UnsafeUpstreamHTTP:
		m.add(key+".upstream", r.Upstream, "https://host[:port], or set unsafe_upstream_http: true")
	case len(r.UpstreamTLS.Pins) > 0 || r.UpstreamTLS.ClientCertFile != "" || r.UpstreamCAFile != "" || r.UpstreamCA != "":
		m.add(key+".upstream", r.Upstream, "https://host[:port], since upstream_ca_file, upstream_ca, client_cert_file or pins are set")
	default:
		m.check(key+".upstream", r.Upstream, urlSyntax(r.Upstream, "http"))
	}
	m.oneOf(tls+".min_version", r.UpstreamTLS.MinVersion, "1.2", "1.3")
	m.both(tls+".client_cert_file", r.UpstreamTLS.ClientCertFile, tls+".client_key_file", r.UpstreamTLS.ClientKeyFile)
	m.spki(tls+".pins", r.UpstreamTLS.Pins)
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

func (r References) check(m *Mistakes, key string) {
	if r.Items < 0 || r.Items > maxCount {
		m.add(key+".items", strconv.Itoa(r.Items), "0 to "+strconv.Itoa(maxCount))
	}
	r.Items = 1
	m.positive(key, reflect.ValueOf(r))
}

func (r *Route) checkModels(m *Mistakes, key string) {
	for i, model := range r.Models {
		at := index(key, i)
		if model.From == "" || slices.ContainsFunc(r.Models[:i], func(earlier Model) bool { return earlier.From == model.From }) {
			m.add(at+".from", model.From, "the name of a model, each once")
		}
		if !modelName.MatchString(model.To) {
			m.add(at+".to", model.To, "an endpoint id or the name of a model, which is one word of at most 128 letters, digits and _-.:/@+|")
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
