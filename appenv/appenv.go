package appenv

import (
	"slices"
	"strings"
)

// Settings say where the sidecar is and where its CA files are.
type Settings struct {
	ProxyURL string // http://host:port of the data port
	BaseURL  string // set as OPENAI_BASE_URL, e.g. http://127.0.0.1:8080/v1; "" leaves what the application has

	// AnthropicBaseURL is set as ANTHROPIC_BASE_URL, e.g. http://127.0.0.1:8080, for
	// the SDKs put /v1/messages behind it; "" leaves what the application has.
	AnthropicBaseURL string

	Hosts []string // of all routes, host or host:port: never exempt from the proxy

	CAFile             string // PEM, our CA alone; for clients that add to their roots; "" sets none
	BundleFile         string // PEM, the system's roots and our CA; for clients that replace their roots; "" sets none
	TruststoreFile     string // PKCS #12 with the same as BundleFile, for the JVM; "" sets none
	TruststorePassword string
}

// Var is one environment variable.
type Var struct{ Name, Value string }

// Variables are the variables to set, in a fixed order. getenv gives those that
// the application has: exceptions from the proxy and options of the JVM are
// kept, ours come beside or after them.
func Variables(s Settings, getenv func(string) string) []Var {
	var vars []Var
	for _, g := range groups(s, getenv) {
		if g.value == "" && !g.always {
			continue
		}
		for _, name := range g.names {
			vars = append(vars, Var{name, g.value})
		}
	}
	return vars
}

// group is a value for several variables.
type group struct {
	names     []string
	value     string // "" leaves what the application has
	audiences []string
	always    bool // set it even if it is empty
}

// groups are all variables that there are, in the order in which they are set.
func groups(s Settings, getenv func(string) string) []group {
	exempt := exemptions(s.Hosts, getenv("NO_PROXY"), getenv("no_proxy"))
	clients := []string{python, node, golang}
	return []group{
		{names: proxyVariables(), value: s.ProxyURL, audiences: clients},
		// Set even when nothing is left in it, or what the application had would hold.
		{names: []string{"NO_PROXY", "no_proxy"}, value: strings.Join(exempt, ","), audiences: clients, always: true},
		{names: []string{"NODE_USE_ENV_PROXY"}, value: "1", audiences: []string{node}},     // from 22.21 and 24 on
		{names: []string{"AIOHTTP_TRUST_ENV"}, value: "True", audiences: []string{python}}, // litellm
		{names: []string{"SSL_CERT_FILE"}, value: s.BundleFile, audiences: []string{python, golang}},
		{names: []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}, value: s.BundleFile, audiences: []string{python}},
		{names: []string{"NODE_EXTRA_CA_CERTS"}, value: s.CAFile, audiences: []string{node}},
		{names: []string{"JAVA_TOOL_OPTIONS"}, value: javaOptions(s, exempt, getenv("JAVA_TOOL_OPTIONS")), audiences: []string{java}},
		{names: []string{"OPENAI_BASE_URL"}, value: s.BaseURL, audiences: Audiences()},
		{names: []string{"ANTHROPIC_BASE_URL"}, value: s.AnthropicBaseURL, audiences: Audiences()},
	}
}

// Merge is the environment, in the form of os.Environ, with the variables in
// place of those of exactly the same name. environ is left as it is.
func Merge(environ []string, vars []Var) []string {
	merged := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(vars, func(v Var) bool { return v.Name == name })
	})
	for _, v := range vars {
		merged = append(merged, v.Name+"="+v.Value)
	}
	return merged
}
