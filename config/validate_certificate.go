package config

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

// builtinRoots is the value of certificate.roots for the vendor's published
// certificates, which are part of the binary.
const builtinRoots = "builtin"

var (
	regionName   = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	serialNumber = regexp.MustCompile(`^[0-9A-Fa-f]{1,2}(:?[0-9A-Fa-f]{2}){0,19}$`) // at most 20 octets: RFC 5280 §4.1.2.2
)

func (c *Certificate) check(m *Mistakes, key string) {
	m.oneOf(key+".source", c.Source, "api-key", "openapi", "file", "chain")
	if c.Roots == "" {
		m.add(key+".roots", c.Roots, builtinRoots+", the name of a PEM file, or PEM text")
	}
	if c.SkipModeration && !c.AICC {
		m.add(key+".skip_moderation", "true", "only with aicc: true")
	}
	if c.MaxAge <= 0 {
		m.add(key+".max_age", formatDuration(c.MaxAge), "more than 0s")
	}
	if c.ClockSkew < 0 {
		m.add(key+".clock_skew", formatDuration(c.ClockSkew), "0s or more")
	}
	for i, serial := range c.Pins.Serials {
		if !serialNumber.MatchString(serial) {
			m.add(index(key+".pins.serials", i), serial, "a serial number in hexadecimal, with or without colons")
		}
	}
	m.spki(key+".pins.spki", c.Pins.SPKI)
	c.Revocation.check(m, key+".revocation")
	c.checkSources(m, key)
	c.checkSource(m, key)
	if c.Uses("openapi") {
		c.checkOpenAPI(m, key)
	}
}

func (c *Certificate) checkOpenAPI(m *Mistakes, key string) {
	if !regionName.MatchString(c.Region) {
		m.add(key+".region", c.Region, "a region such as cn-beijing")
	}
	m.check(key+".host", c.Host, hostSyntax(c.Host))
}

// checkSources wants a chain to name its sources, and nobody else to.
func (c *Certificate) checkSources(m *Mistakes, key string) {
	switch {
	case c.Source == "chain" && len(c.Sources) == 0:
		m.hide(key+".sources", "is missing: source: chain needs it")
	case c.Source != "chain" && len(c.Sources) > 0:
		m.hide(key+".sources", "only goes with source: chain")
	}
	for i, source := range c.Sources {
		if !slices.Contains([]string{"api-key", "openapi", "file"}, source) || slices.Contains(c.Sources[:i], source) {
			m.add(index(key+".sources", i), source, "api-key, openapi, file, each once")
		}
	}
}

// checkSource wants the keys that a source needs and none of another's.
func (c *Certificate) checkSource(m *Mistakes, key string) {
	m.goesWith(key, c.Uses, []sourceKey{
		{"file", "file", c.File != "", true},
		{"access_key_file", "openapi", c.AccessKeyFile != "", true},
		{"secret_key_file", "openapi", c.SecretKeyFile != "", true},
		{"security_token_file", "openapi", c.SecurityTokenFile != "", false},
		{"region", "openapi", c.Region != "", false},
		{"host", "openapi", c.Host != "", false},
	})
}

// checkWarmUp wants models that can be asked about without a request.
func (r *Route) checkWarmUp(m *Mistakes, key string) {
	key += ".certificate.warm_up"
	models := r.Certificate.WarmUp
	if len(models) > 0 && !r.Certificate.Uses("openapi") && (r.Certificate.Source == "file" || r.Credentials.Source == "request") {
		m.hide(key, "only goes with certificate.source: openapi, or with credentials that are not the request's own")
		return
	}
	for i, model := range models {
		if model == "" || strings.ContainsFunc(model, isControl) || slices.Contains(models[:i], model) {
			m.add(index(key, i), model, "the name of a model or endpoint, each once")
		}
	}
}

func (r *Revocation) check(m *Mistakes, key string) {
	m.oneOf(key+".mode", r.Mode, "off", "soft", "hard")
	m.strangers(key, r.Addresses, r.AllowedHosts)
	if r.Timeout <= 0 {
		m.add(key+".timeout", formatDuration(r.Timeout), "more than 0s")
	}
	if r.MaxBytes <= 0 || r.MaxBytes > maxCRL {
		m.add(key+".max_bytes", r.MaxBytes.String(), "more than 0B, at most "+Bytes(maxCRL).String())
	}
}

// maxCRL bounds certificate.revocation.max_bytes: a list is held in memory.
const maxCRL = 64 << 20

// spki wants pins of public keys.
func (m *Mistakes) spki(key string, pins []string) {
	for i, pin := range pins {
		if hash, err := base64.StdEncoding.Strict().DecodeString(pin); err != nil || len(hash) != 32 {
			m.add(index(key, i), pin, "base64 of a SHA-256 hash, 44 characters")
		}
	}
}
