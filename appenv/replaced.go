package appenv

import (
	"net/url"
	"slices"
)

// Replaced are the proxies that the application has in its environment and that s
// takes the place of: an application that needs them to get out of its network
// would not be asked again. Each is given once, by the variable that is first in
// the order of Variables, without credentials.
func Replaced(s Settings, getenv func(string) string) []Var {
	var replaced []Var
	var seen []string
	for _, name := range proxyVariables() {
		value := getenv(name)
		if value == "" || value == s.ProxyURL || slices.Contains(seen, value) {
			continue
		}
		seen = append(seen, value)
		shown := "what it says"
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			shown = u.Host
		}
		replaced = append(replaced, Var{name, shown})
	}
	return replaced
}

// proxyVariables are the names that lead to a proxy. curl reads http_proxy in lower
// case only, other clients only upper case.
func proxyVariables() []string {
	return []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
}
