package config

import (
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong with a configuration.
type Mistake struct {
	Key     string // full path, e.g. routes[0].protocol, or the environment variable
	Value   string // as it was written, quoted; "" when it is not shown because it may be a secret, or there is none
	Allowed string // what is allowed instead, or what to do
}

// String is the mistake on one line.
func (m Mistake) String() string {
	if m.Value == "" {
		return m.Key + ": " + m.Allowed
	}
	return fmt.Sprintf("%s: %s is not allowed: %s", m.Key, m.Value, m.Allowed)
}

// Mistakes is the error that Load returns for a configuration that was read but
// is wrong: every mistake that was found. First what is wrong with the form of
// the file, then with variables, then with values; each in the order of the file.
type Mistakes []Mistake

// Error is one line per mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

// add records a mistake and shows the value, unless it may hold a secret.
func (m *Mistakes) add(key, value, allowed string) {
	if holdsSecret(key, value) {
		m.hide(key, "the value, not shown here, is not allowed: "+allowed)
		return
	}
	*m = append(*m, Mistake{Key: key, Value: quote(value), Allowed: allowed})
}

// hide records a mistake without its value.
func (m *Mistakes) hide(key, allowed string) {
	*m = append(*m, Mistake{Key: key, Allowed: allowed})
}

// from is the mistake with the environment variable that set its key, if one
// did.
func (m Mistake) from(set []override) Mistake {
	for _, o := range set {
		if o.key == m.Key {
			m.Key = fmt.Sprintf("%s (%s)", m.Key, o.variable())
		}
	}
	return m
}

// covers tells whether a mistake was already recorded for the key or for
// something that holds it, so that what follows from one mistake is not
// reported as another.
func (m *Mistakes) covers(key string) bool {
	for _, mistake := range *m {
		rest, ok := strings.CutPrefix(key, mistake.Key)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// quote is a value for a message: on one line, printable, of bounded length.
func quote(value string) string {
	const most = 100
	if runes := []rune(value); len(runes) > most {
		return fmt.Sprintf("%q…", string(runes[:most]))
	}
	return fmt.Sprintf("%q", value)
}
