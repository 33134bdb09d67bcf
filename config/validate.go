package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxLimit bounds every limit, in bytes, so that sums with it cannot overflow.
const maxLimit = 1 << 40

// Validate checks what Load checks, for a Config that a program made from
// Default. The error is of type Mistakes.
func (c *Config) Validate() error {
	if m := c.mistakes(); len(m) > 0 {
		return m
	}
	return nil
}

// mistakes are those in the values, in the order of the file.
func (c *Config) mistakes() Mistakes {
	var m Mistakes
	c.checkListeners(&m)
	m.hosts("allowed_hosts", c.AllowedHosts)
	if c.StateDir == "" {
		m.hide("state_dir", "no user cache directory, since HOME and XDG_CACHE_HOME are not set: set state_dir or SEALCAR_STATE_DIR to an absolute path")
	}
	for _, p := range c.paths() {
		if *p.value != "" && (!filepath.IsAbs(*p.value) || strings.ContainsFunc(*p.value, isControl)) {
			m.add(p.key, *p.value, "an absolute path without control characters")
		}
	}
	m.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	m.oneOf("log.format", c.Log.Format, "auto", "json", "console")
	if c.Log.Delay < 0 || c.Log.Delay > maxLogDelay {
		m.add("log.delay", formatDuration(c.Log.Delay), "0s to "+formatDuration(maxLogDelay))
	}
	m.positive("limits", reflect.ValueOf(c.Fit(Machine{}).Limits)) // 0 is a value of those that Fit replaces
	m.positive("timeouts", reflect.ValueOf(c.Timeouts))
	c.Sessions.check(&m)
	c.ListenTLS.check(&m)
	c.checkRoutes(&m)
	c.Interception.check(&m)
	c.Egress.check(&m)
	return m
}

// maxLogDelay bounds what a process that is killed leaves unsaid.
const maxLogDelay = 10 * time.Second

// checkListeners wants the data port on loopback, or closed to all but those who
// can say who they are, and both ports apart from each other.
func (c *Config) checkListeners(m *Mistakes) {
	host, port, allowed := listenSyntax(c.Listen)
	m.check("listen", c.Listen, allowed)
	if allowed == "" && !c.UnsafeListen && !c.isGuarded() && !isLoopback(host) {
		m.add("listen", c.Listen, "a loopback address (127.0.0.1, ::1, localhost), or set listen_tls with client_auth or client_ca_file, or unsafe_listen: true")
	}
	if c.Admin.Listen == "" {
		return
	}
	_, adminPort, allowed := listenSyntax(c.Admin.Listen)
	m.check("admin.listen", c.Admin.Listen, allowed)
	if allowed == "" && port == adminPort && port != "0" {
		m.add("admin.listen", c.Admin.Listen, "a port other than that of listen")
	}
}

func (l *ListenTLS) check(m *Mistakes) {
	m.both("listen_tls.cert_file", l.CertFile, "listen_tls.key_file", l.KeyFile)
	if l.ClientCAFile != "" && l.CertFile == "" && l.KeyFile == "" {
		m.hide("listen_tls.cert_file", "is missing: listen_tls.client_ca_file needs it")
	}
}

// isGuarded tells whether only known clients can use the data port, and nobody
// on the way can read what they send. Without TLS a token could be read and used
// by others; with TLS alone whoever reaches the port can use the applications'
// endpoints.
func (c *Config) isGuarded() bool {
	return c.ListenTLS.CertFile != "" && (c.ListenTLS.ClientCAFile != "" || c.ClientAuth.TokenFile != "")
}

// listenSyntax takes a listener's address apart and says what is allowed if it
// is not well formed. An empty host is every address of the machine.
func listenSyntax(addr string) (host, port, allowed string) {
	const form = "host:port with an IP address or localhost, and a port from 0 to 65535"
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", form
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return "", "", form
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return "", "", form
	}
	return host, port, ""
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (i *Interception) check(m *Mistakes) {
	m.both("interception.ca_cert_file", i.CACertFile, "interception.ca_key_file", i.CAKeyFile)
	m.positive("interception", reflect.ValueOf(*i))
	if i.CARotateBefore >= i.CALifetime {
		m.add("interception.ca_rotate_before", formatDuration(i.CARotateBefore), "less than interception.ca_lifetime")
	}
	if i.LeafLifetime > i.CALifetime {
		m.add("interception.leaf_lifetime", formatDuration(i.LeafLifetime), "at most interception.ca_lifetime")
	}
}

func (e *Egress) check(m *Mistakes) {
	m.oneOf("egress.default", e.Default, "tunnel", "deny")
	m.hosts("egress.allowed_hosts", e.AllowedHosts)
	for i, port := range e.AllowedPorts {
		if port < 1 || port > 65535 {
			m.add(index("egress.allowed_ports", i), strconv.Itoa(port), "a port from 1 to 65535")
		}
	}
	m.oneOf("egress.addresses", e.Addresses, "auto", addressesPublic, addressesPrivate, "any")
}

// maxAhead bounds Sessions.Ahead, which take about 1.5 KiB each.
const maxAhead = 1 << 16

func (s Sessions) check(m *Mistakes) {
	if s.Ahead < 0 || s.Ahead > maxAhead {
		m.add("sessions.ahead", strconv.Itoa(s.Ahead), "0 to "+strconv.Itoa(maxAhead))
	}
	if s.Idle <= 0 {
		m.add("sessions.idle", formatDuration(s.Idle), "more than 0s")
	}
}

// check records a value for which a syntax function says what is allowed.
func (m *Mistakes) check(key, value, allowed string) {
	if allowed != "" {
		m.add(key, value, allowed)
	}
}

func (m *Mistakes) hosts(key string, hosts []string) {
	for i, host := range hosts {
		m.check(index(key, i), host, hostSyntax(host))
	}
}

// Values of every setting named addresses.
const (
	addressesPublic  = "public"
	addressesPrivate = "private"
)

// strangers checks where addresses that somebody else chose may lead. Never to
// what no server of the operator's can be behind: there is no any.
func (m *Mistakes) strangers(key, addresses string, hosts []string) {
	m.oneOf(key+".addresses", addresses, addressesPublic, addressesPrivate)
	m.hosts(key+".allowed_hosts", hosts)
}

func (m *Mistakes) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		m.add(key, value, strings.Join(allowed, ", "))
	}
}

// both wants two keys that only make sense together.
func (m *Mistakes) both(keyA, a, keyB, b string) {
	switch {
	case a == "" && b != "":
		m.hide(keyA, "is missing: "+keyB+" needs it")
	case a != "" && b == "":
		m.hide(keyB, "is missing: "+keyA+" needs it")
	}
}

// maxCount bounds every number of things.
const maxCount = 1 << 30

// positive wants every size, duration and count of a struct to be more than
// nothing.
func (m *Mistakes) positive(prefix string, v reflect.Value) {
	for f, member := range v.Fields() {
		key := join(prefix, keyOf(f))
		switch {
		case isDuration(f.Type) && member.Int() <= 0:
			m.add(key, formatDuration(time.Duration(member.Int())), "more than 0s")
		case isBytes(f.Type) && (member.Int() <= 0 || member.Int() > maxLimit):
			m.add(key, Bytes(member.Int()).String(), "more than 0B, at most "+Bytes(maxLimit).String())
		case f.Type.Kind() == reflect.Int && (member.Int() <= 0 || member.Int() > maxCount):
			m.add(key, strconv.FormatInt(member.Int(), 10), "more than 0, at most "+strconv.Itoa(maxCount))
		}
	}
}

func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
