package proxy

import (
	"net/url"
	"strings"
)

// ambiguous names what in an escaped path two parties could read differently,
// or "" if nothing can: a route decides by the path what must be sealed, so the
// upstream must see the same path that was decided on.
func ambiguous(escapedPath string) string {
	if !strings.HasPrefix(escapedPath, "/") {
		return "no leading slash"
	}
	for i := 0; i < len(escapedPath); i++ {
		switch c := escapedPath[i]; {
		case c <= ' ' || c == 0x7f:
			return "a control character or space"
		case c == '\\' || c == ';':
			return "the character " + string(c)
		case c == '%' && !plainEscape(escapedPath[i:]):
			return "a percent-encoding that is needless or hides a separator"
		}
	}
	for segment := range strings.SplitSeq(escapedPath[1:], "/") {
		if segment == "." || segment == ".." {
			return "a dot segment"
		}
	}
	if strings.Contains(escapedPath, "//") {
		return "an empty segment"
	}
	return ""
}

// plainEscape reports whether s starts with a percent-encoding that everybody
// reads alike: of a character that may not stand for itself (RFC 3986 section
// 2.3) and that separates nothing.
func plainEscape(s string) bool {
	if len(s) < 3 {
		return false
	}
	decoded, err := url.PathUnescape(s[:3])
	if err != nil {
		return false
	}
	c := decoded[0]
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
		return false // needless: an upstream may compare before or after decoding
	case c < ' ' || c == 0x7f, strings.IndexByte(`/\;%?#`, c) >= 0:
		return false
	default:
		return true
	}
}

// rawPath is the path of u as the application wrote it, without the repairs
// that (*url.URL).EscapedPath makes to unusual characters.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}
