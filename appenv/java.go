package appenv

import (
	"net/url"
	"slices"
	"strings"
)

// javaOptions are the JVM's own options, then ours: it reads none of the other
// variables. Of an option that is there twice the last counts, so what ours would
// override is left out, and to set them again changes nothing.
// https://docs.oracle.com/en/java/javase/21/core/java-networking.html
func javaOptions(s Settings, exempt []string, own string) string {
	ours := javaProperties(s, exempt)
	options := slices.DeleteFunc(javaWords(own), func(option string) bool {
		name, _, _ := strings.Cut(strings.NewReplacer(`"`, "", `'`, "").Replace(option), "=")
		return slices.ContainsFunc(ours, func(p Var) bool { return name == "-D"+p.Name })
	})
	for _, p := range ours {
		options = append(options, "-D"+p.Name+"="+javaQuote(p.Value))
	}
	return strings.Join(options, " ")
}

// javaProperties are the system properties that lead the JVM to the proxy, and
// have it trust it.
func javaProperties(s Settings, exempt []string) (properties []Var) {
	if proxy, err := url.Parse(s.ProxyURL); err == nil && proxy.Host != "" {
		for _, scheme := range []string{"http", "https"} {
			properties = append(properties, Var{scheme + ".proxyHost", proxy.Hostname()}, Var{scheme + ".proxyPort", proxy.Port()})
		}
		properties = append(properties, Var{"http.nonProxyHosts", javaExemptions(exempt)}) // holds for https too
	}
	if s.TruststoreFile != "" {
		properties = append(properties,
			Var{"javax.net.ssl.trustStore", s.TruststoreFile},
			Var{"javax.net.ssl.trustStoreType", "PKCS12"},
			Var{"javax.net.ssl.trustStorePassword", s.TruststorePassword},
		)
	}
	return properties
}

// javaWords are the options in JAVA_TOOL_OPTIONS as they are written: at white
// space that no quote protects one ends.
func javaWords(options string) (words []string) {
	start, quote := -1, byte(0)
	for i := range len(options) {
		c := options[i]
		switch {
		case quote == 0 && strings.IndexByte(javaSpace, c) >= 0:
			if start >= 0 {
				words = append(words, options[start:i])
			}
			start = -1
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
		if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		words = append(words, options[start:])
	}
	return words
}

const javaSpace = " \t\r\n"

// javaQuote protects spaces and quotes as the JVM reads them in
// JAVA_TOOL_OPTIONS: there is no escape, but either quote protects the other.
func javaQuote(value string) string {
	if !strings.ContainsAny(value, javaSpace+"\"'") {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `"'"'"`) + `"`
}
