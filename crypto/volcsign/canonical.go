package volcsign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "HMAC-SHA256"
	terminator = "request"          // last part of every scope
	timeFormat = "20060102T150405Z" // X-Date, always UTC
	dayLength  = len("20060102")    // the scope's day is the beginning of X-Date
)

// The headers of a signature, and those it covers if the request has them; with
// them it covers the host and every other X- header.
const (
	headerDate  = "X-Date"
	headerHash  = "X-Content-Sha256" // in hex, of the body
	headerToken = "X-Security-Token" // session token of temporary credentials
	headerAuth  = "Authorization"
	headerType  = "Content-Type"
	headerMD5   = "Content-Md5"
	headerHost  = "Host" // net/http keeps it apart from the others
)

// scope is what a derived key is good for: one day, region and service.
type scope struct{ day, region, service string }

func (s scope) String() string {
	return strings.Join([]string{s.day, s.region, s.service, terminator}, "/")
}

// key derives the signing key. Unlike AWS's it puts no prefix on the secret.
func (s scope) key(secret string) []byte {
	key := []byte(secret)
	for _, part := range []string{s.day, s.region, s.service, terminator} {
		key = mac(key, part)
	}
	return key
}

// sign is the signature of req over the headers named in signed.
func (s scope) sign(secret, date string, req *http.Request, signed []string, bodyHash string) ([]byte, error) {
	canonical, err := canonicalRequest(req, signed, bodyHash)
	if err != nil {
		return nil, err
	}
	toSign := strings.Join([]string{algorithm, date, s.String(), hexHash([]byte(canonical))}, "\n")
	return mac(s.key(secret), toSign), nil
}

// canonicalRequest is the text both halves must agree on. signed are the names
// of the headers in it, sorted and in lower case.
func canonicalRequest(req *http.Request, signed []string, bodyHash string) (string, error) {
	query, err := canonicalQuery(req.URL.RawQuery)
	if err != nil {
		return "", err
	}
	path := req.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var headers strings.Builder
	for _, name := range signed {
		headers.WriteString(name + ":" + headerValue(req, name) + "\n")
	}
	return strings.Join([]string{
		method(req), path, query, headers.String(), strings.Join(signed, ";"), bodyHash,
	}, "\n"), nil
}

// canonicalQuery is the query with every name and value percent-encoded as in
// RFC 3986, section 2, and sorted by that.
func canonicalQuery(raw string) (string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", fmt.Errorf("%w: its query is not well-formed", ErrMalformed) // the cause quotes the query
	}
	var pairs [][2]string
	for name, list := range values {
		for _, value := range list {
			pairs = append(pairs, [2]string{escape(name), escape(value)})
		}
	}
	// By name, then by value: sorting the joined "name=value" would put "a-b=" before "a=".
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	joined := make([]string, len(pairs))
	for i, pair := range pairs {
		joined[i] = pair[0] + "=" + pair[1]
	}
	return strings.Join(joined, "&"), nil
}

// escape leaves the unreserved characters of RFC 3986, section 2.3, and encodes
// all others; QueryEscape differs from that in the space alone.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// signable are the names, sorted and in lower case, of all that is signed of req.
func signable(req *http.Request) []string {
	names := map[string]struct{}{strings.ToLower(headerHost): {}}
	for name := range req.Header {
		switch name = http.CanonicalHeaderKey(name); {
		case name == headerType, name == headerMD5, strings.HasPrefix(name, "X-"):
			names[strings.ToLower(name)] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// headerValue trims each value as a receiver will find it; spaces inside stay.
func headerValue(req *http.Request, name string) string {
	if strings.EqualFold(name, headerHost) {
		return canonicalHost(req)
	}
	var values []string
	for _, value := range req.Header.Values(name) {
		values = append(values, strings.TrimSpace(value))
	}
	return strings.Join(values, ",")
}

// canonicalHost leaves out the default ports, which some HTTP stacks drop on the
// way.
func canonicalHost(req *http.Request) string {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	if bare, ok := strings.CutSuffix(host, ":443"); ok {
		return bare
	}
	return strings.TrimSuffix(host, ":80")
}

// method treats "" as net/http's client does.
func method(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// clock is the time by now, nil meaning the system's.
func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}
