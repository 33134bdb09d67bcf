package appenv

import (
	"fmt"
	"slices"
	"strings"
)

// Audiences are the runtimes whose variables can be chosen.
func Audiences() []string { return []string{"python", "node", "java", "go"} }

// For keeps the variables that programs of one runtime look at; "" keeps all.
func For(audience string, vars []Var) ([]Var, error) {
	if audience == "" {
		return vars, nil
	}
	proxied := slices.Clip(append(proxyVariables(), "NO_PROXY", "no_proxy")) // each of those below has a copy
	names, known := map[string][]string{
		"python": append(proxied, "AIOHTTP_TRUST_ENV", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
		"node":   append(proxied, "NODE_USE_ENV_PROXY", "NODE_EXTRA_CA_CERTS"),
		"java":   {"JAVA_TOOL_OPTIONS"}, // the JVM looks at no other
		"go":     append(proxied, "SSL_CERT_FILE"),
	}[audience]
	if !known {
		return nil, fmt.Errorf("no variables are known for %q; there are those of %s", audience, strings.Join(Audiences(), ", "))
	}
	names = append(names, "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL")
	return slices.DeleteFunc(slices.Clone(vars), func(v Var) bool { return !slices.Contains(names, v.Name) }), nil
}
