package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// looksSecret tells whether an unknown key seems meant to hold a secret itself.
func looksSecret(key string) bool {
	key = strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key))
	return slices.Contains([]string{"ak", "sk"}, key) || slices.ContainsFunc(
		[]string{"apikey", "accesskey", "secret", "token", "password", "credential", "authorization", "privatekey"},
		func(word string) bool { return strings.Contains(key, word) },
	)
}

// holdsSecret tells whether a value must not be shown in a message: it may be
// the secret itself where the name of its file belongs, or a URL with a
// password in it.
func holdsSecret(key, value string) bool {
	return namesSecret(key) || strings.Contains(value, "@")
}

// namesSecret tells whether a key names a file that holds a secret.
func namesSecret(key string) bool {
	return strings.HasSuffix(key, "key_file") || strings.HasSuffix(key, "_auth_file") || strings.HasSuffix(key, "token_file")
}

// pasted are the keys with a secret where the name of its file belongs. Taken
// for a name it would end up in the message that there is no such file.
func (c *Config) pasted() Mistakes {
	var m Mistakes
	for _, p := range c.paths() {
		if namesSecret(p.key) && looksPasted(*p.value) {
			m.hide(p.key, "looks like the secret itself, so it is not shown: put that into a file and name the file; a file that is really called so is ./NAME")
		}
	}
	return m
}

//nolint:gochecknoglobals // immutable
var (
	knownSecret = regexp.MustCompile(`^(sk-|ak-|AKLT|AKTP|AKIA)[A-Za-z0-9_+/=-]{12,}$`)      // OpenAI, Volcengine, AWS
	uuid        = regexp.MustCompile(`^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$`) // Ark's API keys
	randomText  = regexp.MustCompile(`^[A-Za-z0-9_+/=-]{32,}$`)                              // base64, hex
	userinfo    = regexp.MustCompile(`^[^/]*:[^/]`)                                          // user:password
	mixed       = []*regexp.Regexp{regexp.MustCompile(`[a-z]`), regexp.MustCompile(`[A-Z]`), regexp.MustCompile(`[0-9]`)}
)

// looksPasted tells a secret from the name of a file. A name with a directory
// before it is always one.
func looksPasted(value string) bool {
	switch {
	case strings.Contains(value, "-----BEGIN "):
		return true
	case strings.HasPrefix(value, "/"), strings.HasPrefix(value, "./"), strings.HasPrefix(value, "../"):
		return false
	case knownSecret.MatchString(value), uuid.MatchString(value), userinfo.MatchString(value):
		return true
	default:
		return randomText.MatchString(value) && !slices.ContainsFunc(mixed, func(kind *regexp.Regexp) bool { return !kind.MatchString(value) })
	}
}

// printable is a key that someone else wrote, for a message: on one line, of
// bounded length.
func printable(key string) string {
	isPlain := func(r rune) bool { return unicode.IsPrint(r) && r != ' ' }
	if len(key) <= 100 && key != "" && strings.IndexFunc(key, func(r rune) bool { return !isPlain(r) }) < 0 {
		return key
	}
	return quote(key)
}
