package clients_test

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// way is how an application is led to its sidecar.
type way struct {
	name    string
	lines   []string // NAME=VALUE, with the words of places in braces
	door    string   // as the log names it
	exec    []string // `sealcar exec` and its flags, which set the rest; nil means without it
	code    string   // the family's
	instead string   // why it is not possible and what to do; then it is not tried
	tried   []trial  // of what to do then, which have to go well in the same run
}

// The names of the ways, in the order of the page.
const (
	byHTTP  = "HTTP_PROXY"
	byHTTPS = "HTTPS_PROXY"
	byBase  = "base URL"
	byExec  = "sealcar exec"
)

// ownBase is the variable by which the programs here get the address that their
// users would write into the code: no client reads it, so the page never has it.
const ownBase = "APP_BASE_URL"

// family is what clients of one kind have in common.
type family struct {
	proxy    []string // lines that lead an http:// address to the proxy
	proxyTLS []string // lines that lead an https:// address there, and have the CA trusted
	plain    string   // the door of an http:// address
	base     string   // the variable of the base URL that the client itself reads; "" means OPENAI_BASE_URL
	code     string   // the client reads no such variable: how its user's code gives it the address {base}
	arks     bool     // its own address is Ark's, with https
	noProxy  string   // why there is no way by a proxy, and what to do
	later    string   // the client that has one, as noProxy says
}

func (f family) ways() []way {
	base := cmp.Or(f.base, "OPENAI_BASE_URL")
	if f.code != "" {
		base = ownBase
	}
	secure := []string{base + "=https://{host}/api/v3"}
	if f.arks {
		secure = nil
	}
	ways := []way{
		{name: byHTTP, lines: append([]string{base + "=http://{host}/api/v3"}, f.proxy...), door: f.plain},
		{name: byHTTPS, lines: slices.Concat(secure, f.proxyTLS), door: "connect-tls"},
		{name: byBase, lines: []string{base + "={proxy}/v1"}, door: "base-url"},
		{name: byExec, lines: secure, exec: []string{"exec"}, door: "connect-tls"},
	}
	if f.noProxy != "" {
		for i, name := range []string{byHTTP, byHTTPS} {
			ways[i] = way{name: name, instead: f.noProxy, tried: []trial{{way: byBase}, {client: f.later, way: name}}}
		}
		ways[3] = way{name: byExec, exec: []string{"exec", "--base-url"}, door: "base-url"}
		if f.code != "" {
			ways[3] = way{name: byExec, instead: f.noProxy, tried: []trial{{way: byBase}, {client: f.later, way: byExec}}}
		}
	}
	for i := range ways {
		ways[i].code = f.code
	}
	return ways
}

// elsewhere are the ways of an application that has its host built in, with
// https.
func (f family) elsewhere() []way {
	ways := f.ways()[1:]
	for i := range ways {
		ways[i].lines = slices.DeleteFunc(ways[i].lines, func(line string) bool { return strings.Contains(line, "://{host}") })
	}
	return ways
}

// places are what stands for the words in braces.
type places struct{ proxy, host, ca, token, roots string }

// documented are those of the defaults, or of the table.
func documented(part table) places {
	return places{proxy: "http://" + cmp.Or(part.address, "127.0.0.1:8080"), host: part.setup.routed(), ca: "$HOME/.cache/sealcar/ca", token: "$TOKEN", roots: "$HOME/roots"}
}

// fill puts the places into a line.
func (p places) fill(line string) string {
	address := strings.TrimPrefix(p.proxy, "http://")
	host, port, _ := strings.Cut(address, ":")
	return strings.NewReplacer(
		"{proxy}", p.proxy, "{address}", address, "{proxyHost}", host, "{proxyPort}", port, "{host}", p.host,
		"{ca}", filepath.Join(p.ca, "ca.crt"),
		"{bundle}", filepath.Join(p.ca, "ca-bundle.crt"),
		"{truststore}", filepath.Join(p.ca, "truststore.p12"),
		"{token}", p.token, "{roots.pem}", p.roots+".pem", "{roots.p12}", p.roots+".p12",
	).Replace(line)
}

// environment gives what w sets.
func (w way) environment(p places) map[string]string {
	env := map[string]string{}
	for _, line := range w.lines {
		name, value, _ := strings.Cut(p.fill(line), "=")
		env[name] = value
	}
	return env
}
