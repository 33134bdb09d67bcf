package ark

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sealcar/exchange"
	"sealcar/rewrite"
)

// Transport is the client half: it seals the content of each request, sends it
// by Base and opens the content of the reply. Its requests carry the upstream's
// URL; the path decides what is done, by exact match. It fills in the
// exchange.Record of the request's context.
//
// A request that cannot be sealed, and a reply that cannot be opened, end in an
// *apierror.Error; a stream that fails after its first event ends in an event
// with that error and then in a read error. Nothing falls back to plaintext.
//
// The headers of a sealed stream come with its first event: until then a reply
// that does not open can still become a status, or another attempt if the
// endpoint has a new certificate (rotation.go). Nothing that an application
// could read comes later for that.
type Transport struct {
	Base         http.RoundTripper // required
	Certificates Certificates      // required
	AICC         bool              // ask for AICC certificates and name them to the enclave

	Credentials        Credentials // API keys for requests that carry none; nil: a chat without one is refused
	ReplaceCredentials bool        // they are for requests with a key of their own too

	SkipModeration       bool     // AICC: send x-ark-moderation-scene: aicc-skip
	UnsafePlaintextPaths []string // paths, exact, that may pass in clear though the protocol cannot seal them

	MaxRequestBytes int64 // 0 means 64 MiB
	MaxReplyBytes   int64 // of a reply that is not a stream; 0 means 64 MiB
	MaxEventBytes   int   // of one event of a stream; 0 means 16 MiB

	ReplyIdle time.Duration // of a read of a reply, until the first of it is passed on; 0 means 10 min
}

const defaultBodyLimit = 64 << 20

func (t *Transport) replyIdle() time.Duration {
	if t.ReplyIdle <= 0 {
		return defaultReplyIdle
	}
	return t.ReplyIdle
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	record := exchange.From(req.Context())
	record.Endpoint = endpointLabel(req.Method, req.URL.Path)
	record.Treatment = exchange.Refused
	start := time.Now()
	body, err := readBody(req, t.MaxRequestBytes)
	if err != nil {
		return nil, err
	}
	switch purposeOf(req.Method, req.URL.Path) {
	case sealable:
		return t.chat(req, body, record, start)
	case contentless:
		if err := checkContentless(req, body); err != nil {
			return nil, err
		}
		record.Treatment = exchange.NoContent
	default:
		if !slices.Contains(t.UnsafePlaintextPaths, req.URL.Path) {
			return nil, refusal("endpoint_not_sealable", "", fmt.Sprintf(
				"%s %.80s has no sealing in this protocol, so nothing was sent. Use chat/completions, or list the path under unsafe_plaintext_paths of the route to send it in clear", req.Method, req.URL.Path))
		}
		record.Treatment = exchange.Plaintext
	}
	return t.sendAsIs(req, body, "", record)
}

// chat carries a request on a sealable endpoint.
func (t *Transport) chat(req *http.Request, body []byte, record *exchange.Record, start time.Time) (*http.Response, error) {
	if err := checkContentHeaders(req.Header); err != nil {
		return nil, err
	}
	if _, sealed := req.Header[HeaderSessionToken]; sealed {
		return t.pass(req, body, record)
	}
	chat, err := readChat(body, toSeal)
	if err != nil {
		return nil, err
	}
	record.Model = chat.model
	record.Seal = time.Since(start)
	key, further, err := t.authorize(req, chat.model)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, missingKey()
	}
	query := Query{Model: chat.model, Credential: key, AICC: t.AICC}
	waiting := time.Now()
	cert, err := t.Certificates.Certificate(req.Context(), query)
	record.Certificate = time.Since(waiting)
	if err != nil {
		return nil, err
	}
	a := attempt{Transport: t, req: req, further: further, body: body, chat: chat, query: query, record: record}
	return a.carry(cert) //nolint:contextcheck // an attempt has its request and with it the context
}

// pass carries a request that the app sealed itself, and its reply, untouched.
func (t *Transport) pass(req *http.Request, body []byte, record *exchange.Record) (*http.Response, error) {
	chat, err := readChat(body, toPass)
	if err != nil {
		return nil, err
	}
	record.Model = chat.model
	if err := checkAppSealed(req.Header, body, chat); err != nil {
		return nil, err
	}
	record.Treatment = exchange.AppSealed
	return t.sendAsIs(req, body, chat.model, record)
}

// sendAsIs sends a request in which nothing is sealed here.
func (t *Transport) sendAsIs(req *http.Request, body []byte, model string, record *exchange.Record) (*http.Response, error) {
	_, further, err := t.authorize(req, model)
	if err != nil {
		record.Treatment = exchange.Refused
		return nil, err
	}
	return t.send(req, body, further, record)
}

// sealChat seals a chat's secret strings under a fresh session.
func sealChat(cert *Certificate, body []byte, chat *chatRequest) (*Session, []byte, error) {
	session, err := NewSession(cert.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("starting a session for model %q: %w", chat.model, err)
	}
	room := len(body) + len(body)/3 + 32*(len(chat.secret)+1) // base64 and tags
	sealed, err := rewrite.Splice(make([]byte, 0, room), body, chat.secret, func(dst, value []byte) ([]byte, error) {
		text, err := rewrite.Unquote(nil, value)
		if err != nil {
			return nil, err
		}
		dst = session.Seal(append(dst, '"'), text) // base64 needs no escapes
		return append(dst, '"'), nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sealing a request for model %q: %w", chat.model, err)
	}
	return session, sealed, nil
}

// headers are the protocol's headers of a sealed request.
func (t *Transport) headers(s *Session, c *Certificate) http.Header {
	info := `{"ExpireTime":` + strconv.FormatInt(c.Leaf.NotAfter.Unix(), 10)
	if t.AICC {
		info += `,"Version":"` + AICCVersion + `","RingID":` + strconv.Quote(c.RingID) + `,"KeyID":` + strconv.Quote(c.KeyID)
	}
	h := http.Header{
		HeaderEncrypted:    {"true"},
		HeaderSessionToken: {s.Token()},
		HeaderEncryptInfo:  {info + "}"},
		"Accept-Encoding":  {"identity"}, // ciphertext does not compress, and what is compressed cannot be opened event by event
	}
	if t.SkipModeration {
		h.Set(HeaderModerationScene, "aicc-skip")
	}
	return h
}

// send sends body in place of req's own, with the further headers set.
func (t *Transport) send(req *http.Request, body []byte, further http.Header, record *exchange.Record) (*http.Response, error) {
	out := req.Clone(req.Context())
	maps.Copy(out.Header, further)
	sent := time.Now()
	resp, err := sendBody(t.Base, out, body)
	record.Upstream += time.Since(sent)
	if err == nil {
		record.Stream = mediaType(resp.Header) == "text/event-stream"
	}
	return resp, err
}

// sendBody sends req, which is the caller's own, with body in place of its own.
func sendBody(base http.RoundTripper, req *http.Request, body []byte) (*http.Response, error) {
	req.Body, req.GetBody, req.ContentLength, req.TransferEncoding = http.NoBody, nil, int64(len(body)), nil
	if len(body) > 0 {
		// GetBody lets the base try once more when a kept-alive connection turns
		// out closed before a byte was written: the same body, so the same key.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return base.RoundTrip(req)
}
