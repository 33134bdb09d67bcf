package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"
)

// arkHost is one public host of the vendor's inference service.
type arkHost struct {
	route       string // name of the built-in route
	host        string
	region      string // of its control plane
	openAPIHost string // of its control plane
}

// arkHosts are the public hosts, as the vendor's SDKs name them. The first is
// the one whose control plane an unknown host gets.
func arkHosts() []arkHost {
	return []arkHost{
		{"ark", "ark.cn-beijing.volces.com", "cn-beijing", "open.volcengineapi.com"},
		{"ark-ap-southeast", "ark.ap-southeast.bytepluses.com", "ap-southeast-1", "open.ap-southeast-1.byteplusapi.com"},
	}
}

// Default is the configuration that holds without a file and without
// environment variables. Its StateDir is empty, because the default of that
// depends on the environment; Load sets it, other callers must.
func Default() *Config {
	c := &Config{
		Listen:       "127.0.0.1:8080",
		AllowedHosts: []string{},
		Admin:        Admin{Listen: "127.0.0.1:9090"},
		Log:          Log{Level: "info", Format: "auto", Delay: 100 * time.Millisecond},
		Limits: Limits{
			RequestBytes: 64 << 20,
			ReplyBytes:   64 << 20,
			EventBytes:   16 << 20,
			StreamBytes:  1 << 30,
			HeaderBytes:  1 << 20,
			JSONValues:   1_000_000,
		},
		Timeouts: Timeouts{
			Drain:          30 * time.Second,
			ReadHeader:     10 * time.Second,
			ReadBody:       2 * time.Minute,
			Idle:           5 * time.Minute,
			Dial:           10 * time.Second,
			TLSHandshake:   10 * time.Second,
			ResponseHeader: 10 * time.Minute,
			StreamIdle:     10 * time.Minute,
			Certificate:    10 * time.Second,
		},
		Sessions: Sessions{Ahead: 256, Idle: 5 * time.Minute},
		Interception: Interception{
			NameConstraints: true,
			CALifetime:      365 * 24 * time.Hour,
			CARotateBefore:  30 * 24 * time.Hour,
			LeafLifetime:    24 * time.Hour,
		},
		Egress: Egress{Default: "tunnel", AllowedHosts: []string{}, AllowedPorts: []int{}, Addresses: "auto"},
	}
	for _, a := range arkHosts() {
		c.Routes = append(c.Routes, NewRoute(a.route, a.host))
	}
	return c
}

// NewRoute is a route with the defaults that a route in a file gets: protocol
// ark, /v1 and the path of Ark's Messages API mapped to /api/v3, certificates fetched with the request's own key
// and verified against the vendor's published roots.
func NewRoute(name string, hosts ...string) Route {
	return Route{
		Name:        name,
		Hosts:       append([]string{}, hosts...),
		UpstreamTLS: UpstreamTLS{MinVersion: "1.2", Pins: []string{}},
		Protocol:    "ark",
		BasePaths:   []BasePath{{From: "/v1", To: "/api/v3"}, {From: "/api/compatible/v1", To: "/api/v3"}},
		Dialects:    []string{"responses", "anthropic"},
		References:  References{Items: 1000, Bytes: 2 << 20, For: time.Hour},
		Certificate: Certificate{
			Source:  "api-key",
			Sources: []string{},
			Roots:   builtinRoots,
			Pins:    Pins{Serials: []string{}, SPKI: []string{}},
			Revocation: Revocation{
				Mode:         "soft",
				Addresses:    addressesPublic,
				AllowedHosts: []string{},
				Timeout:      3 * time.Second,
				MaxBytes:     4 << 20,
			},
			MaxAge:    24 * time.Hour,
			ClockSkew: 5 * time.Minute,
			WarmUp:    []string{},
		},
		Credentials: Credentials{
			Source:   "request",
			Project:  "default",
			Duration: 7 * 24 * time.Hour, // as the vendor's SDKs have it
		},
		Models:               []Model{},
		Residue:              residueDefault,
		ResidueExceptions:    []Exception{},
		Strip:                []string{},
		Replies:              Replies{Clear: "report"},
		UnsafePlaintextPaths: []string{},

		InlineImages: InlineImages{
			MaxImages:    16,
			MaxBytes:     10 << 20,
			Timeout:      10 * time.Second,
			AllowedHosts: []string{},
			Addresses:    addressesPublic,
		},
	}
}

// completeOpenAPI gives what asks the control plane the one that goes with the
// route's hosts. Other sources have none, so that a region or host written for
// them can be told from a default. Credentials without keys of their own take
// those of the certificate's source.
func completeOpenAPI(r *Route) {
	known := arkHosts()
	plane := known[0]
	if i := slices.IndexFunc(known, func(a arkHost) bool { return slices.Contains(r.Hosts, a.host) }); i >= 0 {
		plane = known[i]
	}
	cert, cred := &r.Certificate, &r.Credentials
	if cert.Uses("openapi") {
		cert.Region = cmp.Or(cert.Region, plane.region)
		cert.Host = cmp.Or(cert.Host, plane.openAPIHost)
	}
	if cred.Source != "openapi" {
		return
	}
	if cert.Uses("openapi") {
		if cred.AccessKeyFile == "" && cred.SecretKeyFile == "" {
			cred.AccessKeyFile, cred.SecretKeyFile = cert.AccessKeyFile, cert.SecretKeyFile
			cred.SecurityTokenFile = cmp.Or(cred.SecurityTokenFile, cert.SecurityTokenFile)
		}
		plane.region, plane.openAPIHost = cert.Region, cert.Host
	}
	cred.Region = cmp.Or(cred.Region, plane.region)
	cred.Host = cmp.Or(cred.Host, plane.openAPIHost)
}

// defaultStateDir is sealcar's directory below the user's cache directory, or
// "" when the environment tells none. A shared place such as /tmp is no
// fallback: the CA's key lives there.
func defaultStateDir(getenv func(string) string) string {
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) { // relative ones are to be ignored: XDG Base Directory Specification
		return filepath.Join(dir, "sealcar")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "sealcar")
	}
	return ""
}
