package proxy

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"strings"

	"sealcar/apierror"
	"sealcar/config"
	"sealcar/livefile"
)

// headerToken is how a client says who it is where it takes us for the API
// server: SDKs can set a header, but not one of a proxy's.
const headerToken = "X-Sealcar-Token"

// clients are those that may use the data port. Who somebody is comes from the
// connection's certificate or from a token, never from what a header such as
// X-Forwarded-For claims.
type clients struct {
	tokens *livefile.Value[tokens] // nil: whoever gets here
}

func (p *Proxy) newClients(c *config.Config) (*clients, error) {
	if c.ClientAuth.TokenFile == "" {
		return new(clients), nil
	}
	file, err := livefile.New(livefile.Source[tokens]{
		Paths:  []string{c.ClientAuth.TokenFile},
		Read:   func() (tokens, error) { return readTokens(c.ClientAuth.TokenFile) },
		Report: func(err error) { p.log.Error().Err(err).Msg("no client is let in until the tokens can be read") },
	})
	if err != nil {
		return nil, err
	}
	p.changes = append(p.changes, fileChange("client_auth.token_file", file.Get,
		"the changed client_auth.token_file cannot be used, and no client is let in: the log says why"))
	return &clients{file}, nil
}

// admit finds out who sends a request, and takes the credential out of it: it is
// ours, and nobody else is to see it. Proxy-Authorization is hop-by-hop and ends
// here anyway.
func (c *clients) admit(v *visit) *apierror.Error {
	h := v.request.Header
	presented := credentials(h)
	h.Del(headerToken)
	if inner := innerOf(v.request); inner != nil { // whoever sent the CONNECT
		v.client = inner.client
		return nil
	}
	v.client = certificateName(v.request.TLS)
	if c.tokens == nil {
		return nil
	}
	known, err := c.tokens.Get()
	if err != nil { // a token that was taken back may be among the old ones
		return unauthenticated(v, err)
	}
	for _, token := range presented {
		if name, ok := known.find(token); ok {
			v.client = name
			return nil
		}
	}
	return unauthenticated(v, nil)
}

// unauthenticated asks for a credential in the way of the door (RFC 9110 section
// 11.7.1 for a proxy's, 11.6.1 for a server's).
func unauthenticated(v *visit, cause error) *apierror.Error {
	e := &apierror.Error{Status: http.StatusUnauthorized, Code: "client_unauthenticated", Cause: cause}
	if v.record.Door != doorBaseURL {
		v.reply.Header().Set("Proxy-Authenticate", `Basic realm="sealcar"`)
		e.Status = http.StatusProxyAuthRequired
		e.Message = "This sealcar serves clients with a token only. Put it into the proxy's URL, as in http://name:TOKEN@host:port."
		return e
	}
	v.reply.Header().Set("WWW-Authenticate", `Sealcar realm="sealcar"`)
	e.Message = "This sealcar serves clients with a token only. Send it in the header " + headerToken + "."
	return e
}

// credentials are what a request presents as tokens: Bearer (RFC 6750) or the
// password of Basic (RFC 7617), or the user where there is no password, as in
// http://TOKEN@host.
func credentials(h http.Header) []string {
	var found []string
	if token := h.Get(headerToken); token != "" {
		found = append(found, token)
	}
	scheme, rest, _ := strings.Cut(h.Get("Proxy-Authorization"), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		found = append(found, rest)
	case strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(rest)
		user, password, _ := strings.Cut(string(text), ":")
		if err == nil {
			found = append(found, cmp.Or(password, user))
		}
	}
	return found
}

// certificateName names the holder of a verified client certificate, for the
// log: by its first SPIFFE ID or other URI, its first DNS name, or its common name.
func certificateName(state *tls.ConnectionState) string {
	if state == nil || len(state.VerifiedChains) == 0 {
		return ""
	}
	leaf := state.VerifiedChains[0][0]
	switch {
	case len(leaf.URIs) > 0:
		return leaf.URIs[0].String()
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	default:
		return leaf.Subject.CommonName
	}
}

// tokens are those that are valid now. Only their digests are kept.
type tokens []token

type token struct {
	name   string // for the log; "" if it has none
	digest [sha256.Size]byte
}

// find looks at every token, however early one fits, so that time tells nothing.
func (t tokens) find(presented string) (name string, ok bool) {
	digest := sha256.Sum256([]byte(presented))
	for _, known := range t {
		if subtle.ConstantTimeCompare(digest[:], known.digest[:]) == 1 {
			name, ok = known.name, true
		}
	}
	return name, ok
}
