package proxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sealcar/filemode"
)

const (
	maxTokenFile = 1 << 20 // bytes
	minToken     = 16      // characters; what `openssl rand -hex 8` gives, 64 bits
)

var (
	tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`) // RFC 6750 section 2.1

	errNoToken = errors.New("there is no token in it")
)

// readTokens reads a file of tokens: one a line, as token or name:token. Empty
// lines and those that begin with # do not count. Errors name lines, never what
// is in them.
func readTokens(path string) (tokens, error) {
	text, err := filemode.ReadSecret(path, maxTokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading client_auth.token_file %w", err)
	}
	all, err := parseTokens(text)
	if err != nil {
		return nil, fmt.Errorf("reading client_auth.token_file %q: %w", path, err)
	}
	return all, nil
}

func parseTokens(text []byte) (tokens, error) {
	var all tokens
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line := strings.TrimSpace(string(line))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, secret, named := strings.Cut(line, ":")
		if !named {
			name, secret = "", line
		}
		switch {
		case named && !tokenName.MatchString(name):
			return nil, fmt.Errorf("line %d: a name has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'", number)
		case len(secret) < minToken || !tokenText.MatchString(secret):
			return nil, fmt.Errorf("line %d: a token has at least %d of A-Z, a-z, 0-9 and '._~+/=-'", number, minToken)
		}
		all = append(all, token{name, sha256.Sum256([]byte(secret))})
	}
	if len(all) == 0 {
		return nil, errNoToken
	}
	return all, nil
}
