package config

import (
	"strings"
	"time"
)

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
	m.goesWith(key, func(source string) bool { return source == c.Source }, []sourceKey{
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
func (m *Mistakes) goesWith(key string, uses func(source string) bool, keys []sourceKey) {
	for _, k := range keys {
		switch {
		case k.given && !uses(k.source):
			m.hide(join(key, k.name), "only goes with source: "+k.source)
		case k.need && !k.given && uses(k.source):
			m.hide(join(key, k.name), "is missing: source: "+k.source+" needs it")
		}
	}
}
