package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sealcar/apierror"
	"sealcar/config"
)

// protocolsOverTLS are what a client may choose from by ALPN, ours first: crypto/tls
// takes the first that the client offers too. HTTP/1.1 is what every client can
// speak to a proxy, and has a connection carry one request at a time; HTTP/2 is for
// those that offer nothing else.
func protocolsOverTLS() []string { return []string{"http/1.1", "h2"} }

// What one connection of HTTP/2 may have at a time. Its requests count in
// limits.requests, as all do; these keep what comes before a request is one from
// growing: frames, and bodies that nobody reads yet. One body that stays unread has
// the window of all, and the others on its connection wait for it; a Protocol reads
// its requests' bodies first, so none stays unread.
const (
	maxStreams  = 100      // requests; RFC 9113 section 6.5.2 advises against fewer
	maxFrame    = 16 << 10 // bytes, the smallest that a client must keep to (section 4.2)
	maxUnread   = 64 << 10 // bytes of bodies, of one request and of all; the least of a connection (section 6.9.2)
	maxDynTable = 4 << 10  // bytes of names and values remembered (RFC 7541 section 4.2), either way
)

// http2Bounds are what net/http keeps connections of HTTP/2 within. A client that
// reads nothing at all ends after timeouts.stream_idle, as its one reply would in
// HTTP/1.1: a stream's deadline does not end a write that the connection blocks.
// For this the setting is that of the start; a reload changes it for the rest.
func http2Bounds(c *config.Config) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		MaxReadFrameSize:              maxFrame,
		MaxReceiveBufferPerConnection: maxUnread,
		MaxReceiveBufferPerStream:     maxUnread,
		MaxDecoderHeaderTableSize:     maxDynTable,
		MaxEncoderHeaderTableSize:     maxDynTable,
		WriteByteTimeout:              c.Timeouts.StreamIdle,
	}
}

// asHTTP1 makes an HTTP/2 request what the same one of HTTP/1.1 would be, or refuses
// it, as HTTP/1.1 has no words for it. Frames carry each part of a head on its own,
// so a space or a second length in one is nothing to net/http; to a server that gets
// them as HTTP/1.1 they are a part of something else. Behind it the two protocols
// are one.
func (v *visit) asHTTP1() *apierror.Error {
	r := v.request
	if r.ProtoMajor < 2 {
		return nil
	}
	if what, next := malformed(r); what != "" {
		if inner := innerOf(r); inner != nil {
			v.target = inner.target
		}
		return refusal("malformed_request", "The HTTP/2 request has %s. %s.", what, next)
	}
	delete(r.Header, "Host") // it says what :authority says, and net/http has it in Request.Host alone
	return nil
}

// malformed names what of an HTTP/2 request RFC 9113 section 8 does not allow and
// net/http does, and what to do next; "" if there is nothing. Connection-specific
// headers, pseudo-headers in the wrong number or place, bad names and lengths that
// are not kept net/http refuses itself.
func malformed(r *http.Request) (what, next string) {
	switch {
	case !httpguts.ValidHeaderFieldName(r.Method): // which is a token too
		return "a :method that is no word", "Send the method alone"
	case r.Method != http.MethodConnect && !strings.HasPrefix(r.RequestURI, "/"):
		return "a :path that does not begin with a slash", "Send the path alone, and the host as :authority"
	case strings.ContainsFunc(r.RequestURI, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return "a space in its :path", "Encode the space as %20"
	case !saysOnly(r.Header["Host"], r.Host):
		return "a Host header that differs from its :authority", "Leave Host out"
	case !saysLength(r.Header["Content-Length"], r.ContentLength):
		return "a Content-Length that is not its body's", "Leave it out"
	}
	for _, values := range r.Header {
		for _, value := range values {
			if value != strings.Trim(value, " \t") {
				return "white space around a header's value", "Trim the value"
			}
		}
	}
	return "", ""
}

// saysOnly reports whether a header that may stand for want says nothing else.
func saysOnly(values []string, want string) bool {
	return len(values) == 0 || len(values) == 1 && values[0] == want
}

// saysLength reports whether a request's Content-Length is one number, of as many
// bytes as net/http is going to insist on; -1 is a length that is not said.
func saysLength(values []string, length int64) bool {
	if len(values) == 0 {
		return length <= 0
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	return len(values) == 1 && err == nil && int64(n) == length
}
