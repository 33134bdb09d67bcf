package exchange

import "net/http"

// ownHeaders begins the names of the headers in which sealcar speaks to an
// application.
const ownHeaders = "x-sealcar-"

// DropOwnHeaders takes away what an upstream says in sealcar's name. A name with
// underscores is one of them too, for many readers take these for hyphens.
func DropOwnHeaders(h http.Header) {
	for name := range h {
		if isOwn(name) {
			delete(h, name)
		}
	}
}

func isOwn(name string) bool {
	if len(name) < len(ownHeaders) {
		return false
	}
	for i := range len(ownHeaders) {
		c := name[i]
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		if c != ownHeaders[i] {
			return false
		}
	}
	return true
}

// DropDetours takes away the headers that lead an application past sealcar, where
// nothing is sealed: to another server (Alt-Svc, RFC 7838) or to an address of the
// upstream's choice (Location and Content-Location, RFC 9110; Link, RFC 8288;
// Refresh, WHATWG HTML). Chats are answered where they were asked.
func DropDetours(h http.Header) {
	for _, name := range []string{"Alt-Svc", "Content-Location", "Link", "Location", "Refresh"} {
		delete(h, name)
	}
}
