package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"sealcar/config"
)

// load reads a configuration given inline, in an ordinary environment.
func load(t *testing.T, text string, environ ...string) (*config.Config, error) {
	t.Helper()
	return config.Load(config.Source{
		Environ: append([]string{"HOME=/home/user", "SEALCAR_CONFIG_YAML=" + text}, environ...),
		Dir:     "/srv/dir",
	})
}

func mustLoad(t *testing.T, text string, environ ...string) *config.Config {
	t.Helper()
	c, err := load(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutFileTheDefaultsHold(t *testing.T) {
	t.Parallel()
	got, err := config.Load(config.Source{Environ: []string{"HOME=/home/user"}})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.StateDir = "/home/user/.cache/sealcar"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := want.Validate(); err != nil {
		t.Errorf("the defaults are wrong: %v", err)
	}
}

// The defaults are a promise to users: the plain values, not what the code
// computes.
func TestDefaults(t *testing.T) {
	t.Parallel()
	c := config.Default()
	if c.Listen != "127.0.0.1:8080" || c.Admin.Listen != "127.0.0.1:9090" {
		t.Errorf("listens on %s and %s", c.Listen, c.Admin.Listen)
	}
	if c.Limits.RequestBytes != 67108864 || c.Timeouts.Drain != 30*time.Second || c.Egress.Default != "tunnel" {
		t.Errorf("limits %+v, timeouts %+v, egress %+v", c.Limits, c.Timeouts, c.Egress)
	}
	var hosts []string
	for _, r := range c.Routes {
		hosts = append(hosts, r.Name+" "+strings.Join(r.Hosts, " "))
		if r.Protocol != "ark" || r.Certificate.Source != "api-key" || r.Certificate.Roots != "builtin" || r.Upstream != "" {
			t.Errorf("route %+v", r)
		}
		if !reflect.DeepEqual(r.BasePaths, []config.BasePath{{From: "/v1", To: "/api/v3"}, {From: "/api/compatible/v1", To: "/api/v3"}}) {
			t.Errorf("base paths %+v", r.BasePaths)
		}
	}
	if want := []string{"ark ark.cn-beijing.volces.com", "ark-ap-southeast ark.ap-southeast.bytepluses.com"}; !reflect.DeepEqual(hosts, want) {
		t.Errorf("routes %q, want %q", hosts, want)
	}
	if unsafe := c.Unsafe(); len(unsafe) > 0 {
		t.Errorf("unsafe by default: %q", unsafe)
	}
}

func TestEmptyTextsAreTheDefaults(t *testing.T) {
	t.Parallel()
	want := config.Default()
	want.StateDir = "/home/user/.cache/sealcar"
	for _, text := range []string{"", "\n", "# nothing\n", "{}", "---\n", "---\n...\n", "null\n", "~", "admin: {}\nlog: {}\n", "\ufeff"} {
		path := filepath.Join(t.TempDir(), "sealcar.yaml")
		writeFile(t, path, text)
		got, err := config.Load(config.Source{Path: path, Environ: []string{"HOME=/home/user"}})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

func TestEnvironmentWinsOverFileWinsOverDefault(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "log: {level: warn, format: json}\ntimeouts: {drain: 1h30m}\nlimits: {event_bytes: 1024}\n",
		"SEALCAR_LOG_LEVEL=debug", "SEALCAR_LOG_LEVEL=error")
	if c.Log.Level != "error" || c.Log.Format != "json" {
		t.Errorf("log %+v, want the last variable's level and the file's format", c.Log)
	}
	if c.Timeouts.Drain != 90*time.Minute || c.Timeouts.Dial != 10*time.Second || c.Limits.EventBytes != 1024 {
		t.Errorf("timeouts %+v, limits %+v", c.Timeouts, c.Limits)
	}
}

func TestRoutesGetTheDefaultsOfARoute(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
routes:
  - name: a
    hosts: [A.Example.com:8443]
  - name: b
    hosts: [b.example.com]
    upstream: https://B.example.com
    base_paths: []
    upstream_tls: {min_version: "1.3"}
    certificate: {aicc: true, max_age: 1h, clock_skew: 0s}
`)
	a := config.NewRoute("a", "a.example.com:8443")
	b := config.NewRoute("b", "b.example.com")
	b.Upstream = "https://b.example.com"
	b.BasePaths = []config.BasePath{}
	b.UpstreamTLS.MinVersion = "1.3"
	b.Certificate.AICC, b.Certificate.MaxAge, b.Certificate.ClockSkew = true, time.Hour, 0
	if want := []config.Route{a, b}; !reflect.DeepEqual(c.Routes, want) {
		t.Errorf("got %+v, want %+v", c.Routes, want)
	}
}

func TestNamesAreInLowerCase(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
allowed_hosts: [Own.Example.COM]
routes:
  - name: a
    hosts: [A.Example.com]
    upstream: HTTPS://B.Example.com:8443
    upstream_proxy: http://Proxy:3128
`)
	r := c.Routes[0]
	if c.AllowedHosts[0] != "own.example.com" || r.Hosts[0] != "a.example.com" || r.Upstream != "https://b.example.com:8443" || r.UpstreamProxy != "http://proxy:3128" {
		t.Errorf("got %q and %+v", c.AllowedHosts, r)
	}
}

func TestListenAddresses(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "127.9.9.9:65535", "[::1]:8080", "[::ffff:127.0.0.1]:8080", "localhost:8080"} {
		if c := mustLoad(t, "listen: '"+listen+"'"); c.Listen != listen {
			t.Errorf("%s became %s", listen, c.Listen)
		}
	}
	for _, listen := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080", "[fe80::1%eth0]:8080"} {
		if c := mustLoad(t, "listen: '"+listen+"'\nunsafe_listen: true"); c.Listen != listen {
			t.Errorf("%s became %s", listen, c.Listen)
		}
	}
	const tls = "listen_tls: {cert_file: a, key_file: b"
	for _, guarded := range []string{tls + ", client_ca_file: c}", tls + "}\nclient_auth: {token_file: t}", tls + ", client_ca_file: c}\nclient_auth: {token_file: t}"} {
		mustLoad(t, "listen: 0.0.0.0:8443\n"+guarded)
	}
	mustLoad(t, "client_auth: {token_file: t}") // between the users of one machine
	// Two free ports are never the same one.
	mustLoad(t, "listen: 127.0.0.1:0\nadmin: {listen: ':0'}")
}

func TestHostsOfRoutes(t *testing.T) {
	t.Parallel()
	mustLoad(t, "routes: [{name: a, hosts: [localhost, 'a.b:1', a_b.svc, xn--fiqs8s, '1a.b', 10.0.0.1, '10.0.0.1:65535', '[::1]', '[2001:db8::1]:443', "+
		strings.Repeat("a.", 126)+"b]}]")
	// The same host, told apart by port or base path.
	mustLoad(t, `
routes:
  - {name: a, hosts: [a.example.com, "b.example.com:8443"]}
  - {name: b, hosts: ["a.example.com:8443", b.example.com]}
  - {name: d, hosts: ["b.example.com:8444"]}
  - {name: e, hosts: ["b.example.com:8445", "c.example.com:8443"]}
  - {name: f, hosts: ["c.example.com:443"]}
  - {name: c, hosts: [a.example.com], base_paths: [{from: /v10, to: /}, {from: /v1x, to: /api/v3}]}
`)
}

func TestOpenAPISourceGetsTheControlPlaneOfItsHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ hosts, more, region, host string }{
		{"ark.cn-beijing.volces.com", "", "cn-beijing", "open.volcengineapi.com"},
		{"ARK.ap-southeast.bytepluses.com", "", "ap-southeast-1", "open.ap-southeast-1.byteplusapi.com"},
		{"own.example.com, ark.ap-southeast.bytepluses.com", "", "ap-southeast-1", "open.ap-southeast-1.byteplusapi.com"},
		{"own.example.com", "", "cn-beijing", "open.volcengineapi.com"},
		{"own.example.com", ", region: eu-1", "eu-1", "open.volcengineapi.com"},
		{"ark.ap-southeast.bytepluses.com", ", host: 'LOCALHOST:8443'", "ap-southeast-1", "localhost:8443"},
	} {
		got := mustLoad(t, "routes:\n  - name: a\n    hosts: ["+c.hosts+"]\n"+
			"    certificate: {source: openapi, access_key_file: /ak, secret_key_file: /sk"+c.more+"}\n").Routes[0].Certificate
		if got.Region != c.region || got.Host != c.host {
			t.Errorf("%s%s: region %s, host %s; want %s, %s", c.hosts, c.more, got.Region, got.Host, c.region, c.host)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	t.Parallel()
	const text = `
state_dir: state
routes:
  - name: a
    hosts: [a.example.com]
    upstream_ca_file: ../ca.pem
    upstream_proxy: http://proxy:3128
    upstream_proxy_auth_file: auth
    upstream_tls: {client_cert_file: c.pem, client_key_file: /abs/../k.pem}
    certificate: {source: openapi, roots: roots.pem, access_key_file: ak, secret_key_file: sk}
  - name: b
    hosts: [b.example.com]
    certificate: {source: file, file: leaf.pem}
interception: {ca_dir: ca, public_dir: public, ca_cert_file: ca.crt, ca_key_file: ca.key}
`
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "etc", "sealcar.yaml"), text)
	fromFile, err := config.Load(config.Source{Path: "etc/sealcar.yaml", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for base, c := range map[string]*config.Config{filepath.Join(dir, "etc"): fromFile, "/srv/dir": mustLoad(t, text)} {
		a, b := c.Routes[0], c.Routes[1]
		for got, want := range map[string]string{
			c.StateDir:                   "state",
			a.UpstreamCAFile:             "../ca.pem",
			a.UpstreamProxyAuth:          "auth",
			a.UpstreamTLS.ClientCertFile: "c.pem",
			a.Certificate.Roots:          "roots.pem",
			a.Certificate.AccessKeyFile:  "ak",
			a.Certificate.SecretKeyFile:  "sk",
			b.Certificate.File:           "leaf.pem",
			c.Interception.CADir:         "ca",
			c.Interception.PublicDir:     "public",
			c.Interception.CACertFile:    "ca.crt",
			c.Interception.CAKeyFile:     "ca.key",
		} {
			if want = filepath.Join(base, want); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if a.UpstreamTLS.ClientKeyFile != "/k.pem" || b.Certificate.Roots != "builtin" {
			t.Errorf("got %s and %s", a.UpstreamTLS.ClientKeyFile, b.Certificate.Roots)
		}
	}
}

func TestStrictHoldsForEveryRoute(t *testing.T) {
	t.Parallel()
	const text = "routes: [{name: a, hosts: [a.example.com], strict: true}, {name: b, hosts: [b.example.com]}]\n"
	for variable, want := range map[string][2]bool{"SEALCAR_STRICT=true": {true, true}, "SEALCAR_STRICT=false": {true, false}} {
		c, err := config.Load(config.Source{Environ: []string{"HOME=/home/user", "SEALCAR_CONFIG_YAML=" + text, variable}})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{c.Routes[0].Strict, c.Routes[1].Strict}; got != want {
			t.Errorf("%s: routes are strict: %v, want %v", variable, got, want)
		}
	}
}

func TestRootsInPlaceAreNoPath(t *testing.T) {
	t.Parallel()
	const roots = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	c := mustLoad(t, fmt.Sprintf("routes: [{name: a, hosts: [a.example.com], upstream_ca: %q, certificate: {roots: %q}}]\n", roots, roots))
	if r := c.Routes[0]; r.Certificate.Roots != roots || r.UpstreamCA != roots {
		t.Errorf("got %q and %q", r.Certificate.Roots, r.UpstreamCA)
	}
}

func TestStateDirNeedsTheUsersCacheDirectory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		want    string // "" is a mistake
	}{
		{[]string{"HOME=/home/user"}, "/home/user/.cache/sealcar"},
		{[]string{"HOME=/home/user", "XDG_CACHE_HOME=/cache"}, "/cache/sealcar"},
		{[]string{"HOME=/home/user", "XDG_CACHE_HOME=relative"}, "/home/user/.cache/sealcar"},
		{[]string{"SEALCAR_STATE_DIR=/state"}, "/state"},
		{[]string{"SEALCAR_STATE_DIR=", "HOME=/h"}, "/h/.cache/sealcar"},
		{[]string{"HOME="}, ""},
		{[]string{"HOME=relative"}, ""},
		{nil, ""},
	} {
		got, err := config.Load(config.Source{Environ: c.environ})
		mistakes, _ := errors.AsType[config.Mistakes](err)
		switch {
		case c.want == "" && (len(mistakes) != 1 || mistakes[0].Key != "state_dir"):
			t.Errorf("%q: %v", c.environ, err)
		case c.want != "" && (err != nil || got.StateDir != c.want):
			t.Errorf("%q: %v, want %s", c.environ, err, c.want)
		}
	}
}

func TestOneSourceOfAWholeFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	writeFile(t, a, "state_dir: /a")
	writeFile(t, b, "state_dir: /b")
	for _, c := range []struct {
		source   config.Source
		state    string
		file     string
		hasError string
	}{
		{source: config.Source{Path: a, Environ: []string{"SEALCAR_CONFIG=" + b}}, state: "/a", file: a},
		{source: config.Source{Environ: []string{"SEALCAR_CONFIG=b.yaml"}, Dir: dir}, state: "/b", file: b},
		{source: config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=state_dir: /c"}}, state: "/c"},
		{source: config.Source{Path: a, Environ: []string{"SEALCAR_CONFIG_YAML=state_dir: /c"}}, file: a, hasError: "given twice"},
		{source: config.Source{Environ: []string{"SEALCAR_CONFIG=" + a, "SEALCAR_CONFIG_YAML=state_dir: /c"}}, file: a, hasError: "given twice"},
		{source: config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=["}}, hasError: "reading configuration SEALCAR_CONFIG_YAML: yaml: "},
	} {
		got, err := config.Load(c.source)
		if c.hasError != "" && (err == nil || !strings.Contains(err.Error(), c.hasError)) {
			t.Errorf("%+v: %v, want %q", c.source, err, c.hasError)
		}
		if c.hasError == "" && (err != nil || got.StateDir != c.state) {
			t.Errorf("%+v: %v, want state_dir %s", c.source, err, c.state)
		}
		if file, err := c.source.File(); err != nil || file != c.file {
			t.Errorf("%+v: file %q, %v; want %q", c.source, file, err, c.file)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.yaml")
	_, err := config.Load(config.Source{Path: missing})
	if want := `reading configuration "` + missing + `": no such file or directory`; !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	pipe := filepath.Join(dir, "pipe") // whose reader would wait for a writer
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe} {
		if _, err := config.Load(config.Source{Path: path}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	huge := "# " + strings.Repeat("x", 1<<20)
	path := filepath.Join(dir, "huge.yaml")
	writeFile(t, path, huge)
	for _, s := range []config.Source{{Path: path}, {Environ: []string{"SEALCAR_CONFIG_YAML=" + huge}}} {
		if _, err := config.Load(s); err == nil || !strings.Contains(err.Error(), "over 1048576 bytes") {
			t.Errorf("1 MiB and 2 bytes: %v", err)
		}
	}
}

func TestCredentialsTakeAfterTheCertificatesSource(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
routes:
  - name: same
    hosts: [a.example.com]
    certificate: {source: openapi, access_key_file: ak, secret_key_file: sk, region: r-1, host: Open.example.com}
    credentials: {source: openapi, security_token_file: sts}
  - name: own
    hosts: [ark.ap-southeast.bytepluses.com]
    certificate: {source: openapi, access_key_file: ak, secret_key_file: sk}
    credentials: {source: openapi, access_key_file: ak2, secret_key_file: sk2, host: Other.example.com, duration: 1h, project: p, replace: true}
  - name: alone
    hosts: [b.example.com]
    credentials: {source: openapi, access_key_file: ak, secret_key_file: sk}
  - name: file
    hosts: [c.example.com]
    credentials: {source: file, api_key_file: key}
`)
	base := config.Credentials{Source: "openapi", Project: "default", Duration: 168 * time.Hour, AccessKeyFile: "/srv/dir/ak", SecretKeyFile: "/srv/dir/sk"}
	same, own, alone := base, base, base
	same.SecurityTokenFile, same.Region, same.Host = "/srv/dir/sts", "r-1", "open.example.com"
	own.AccessKeyFile, own.SecretKeyFile, own.Region, own.Host = "/srv/dir/ak2", "/srv/dir/sk2", "ap-southeast-1", "other.example.com"
	own.Duration, own.Project, own.Replace = time.Hour, "p", true
	alone.Region, alone.Host = "cn-beijing", "open.volcengineapi.com"
	file := config.Credentials{Source: "file", Project: "default", Duration: 168 * time.Hour, APIKeyFile: "/srv/dir/key"}
	for i, want := range []config.Credentials{same, own, alone, file} {
		if got := c.Routes[i].Credentials; got != want {
			t.Errorf("%s: got %+v, want %+v", c.Routes[i].Name, got, want)
		}
	}
}
