package appenv

import (
	"net/url"
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
	set := func(value string, names ...string) {
		if value == "" {
			return
		}
		for _, name := range names {
			vars = append(vars, Var{name, value})
		}
	}
	exempt := exemptions(s.Hosts, getenv("NO_PROXY"), getenv("no_proxy"))
	set(s.ProxyURL, proxyVariables()...)
	// Set even when nothing is left in it, or what the application had would hold.
	vars = append(vars, Var{"NO_PROXY", strings.Join(exempt, ",")}, Var{"no_proxy", strings.Join(exempt, ",")})
	set("1", "NODE_USE_ENV_PROXY")   // Node from 22.21 and 24 on
	set("True", "AIOHTTP_TRUST_ENV") // litellm
	set(s.BundleFile, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
	set(s.CAFile, "NODE_EXTRA_CA_CERTS")
	set(javaOptions(s, exempt, getenv("JAVA_TOOL_OPTIONS")), "JAVA_TOOL_OPTIONS")
	set(s.BaseURL, "OPENAI_BASE_URL")
	set(s.AnthropicBaseURL, "ANTHROPIC_BASE_URL")
	return vars
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

// javaOptions are the JVM's own options, then ours, of which the last wins: the
// JVM reads none of the other variables.
// https://docs.oracle.com/en/java/javase/21/core/java-networking.html
func javaOptions(s Settings, exempt []string, own string) string {
	var options []string
	if own = strings.TrimSpace(own); own != "" {
		options = append(options, own)
	}
	property := func(name, value string) {
		options = append(options, "-D"+name+"="+javaQuote(value))
	}
	if proxy, err := url.Parse(s.ProxyURL); err == nil && proxy.Host != "" {
		for _, scheme := range []string{"http", "https"} {
			property(scheme+".proxyHost", proxy.Hostname())
			property(scheme+".proxyPort", proxy.Port())
		}
		property("http.nonProxyHosts", javaExemptions(exempt)) // holds for https too
	}
	if s.TruststoreFile != "" {
		property("javax.net.ssl.trustStore", s.TruststoreFile)
		property("javax.net.ssl.trustStoreType", "PKCS12")
		property("javax.net.ssl.trustStorePassword", s.TruststorePassword)
	}
	return strings.Join(options, " ")
}

// javaQuote protects spaces and quotes as the JVM reads them in
// JAVA_TOOL_OPTIONS: there is no escape, but either quote protects the other.
func javaQuote(value string) string {
	if !strings.ContainsAny(value, " \t\r\n\"'") {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `"'"'"`) + `"`
}
