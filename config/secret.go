package config

import (
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
	return strings.HasSuffix(key, "key_file") || strings.HasSuffix(key, "_auth_file") || strings.HasSuffix(key, "token_file") || strings.Contains(value, "@")
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
