package ark

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
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

	Sessions *Sessions // made ahead of time; nil: each is made when it is needed

	Credentials        Credentials // API keys for requests that carry none; nil: a chat without one is refused
	ReplaceCredentials bool        // they are for requests with a key of their own too

	Policy     *Policy    // for what cannot be sealed in requests; nil: the default one
	ClearReply ClearReply // for what a reply holds in clear

	SkipModeration       bool     // AICC: send x-ark-moderation-scene: aicc-skip
	UnsafePlaintextPaths []string // paths, exact, that may pass in clear though the protocol cannot seal them

	MaxRequestBytes int64 // 0 means 64 MiB
	MaxReplyBytes   int64 // of a reply that is not a stream; 0 means 64 MiB
	MaxEventBytes   int   // of one event of a stream; 0 means 16 MiB

	ReplyIdle time.Duration // of a read of a reply, until the first of it is passed on; 0 means 10 min
}

func (t *Transport) replyIdle() time.Duration {
	if t.ReplyIdle <= 0 {
		return defaultReplyIdle
	}
	return t.ReplyIdle
}

func (t *Transport) policy() *Policy {
	if t.Policy == nil {
		return defaultPolicy
	}
	return t.Policy
}

// session gives a session for one attempt to send a chat.
func (t *Transport) session(c *Certificate) (*Session, error) {
	if t.Sessions == nil {
		return NewSession(c.PublicKey)
	}
	return t.Sessions.New(c.PublicKey)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	record := exchange.From(req.Context())
	record.Endpoint = endpointLabel(req.Method, req.URL.Path)
	record.Treatment = exchange.Refused
	start := time.Now()
	body, err := payload.Read(req, t.MaxRequestBytes, payload.SendLess)
	if err != nil {
		return nil, err
	}
	if err := checkNames(req.Header); err != nil {
		return nil, err
	}
	purpose := purposeOf(req.Method, req.URL.Path)
	if purpose == sealable {
		resp, err := t.chat(req, body, record, start) //nolint:contextcheck // a reply has its request and with it the context
		if err == nil {
			record.ReportRequest(resp.Header)
			record.ReportReply(resp.Header)
		}
		return resp, err
	}
	if err := checkUnsealed(req); err != nil {
		return nil, err
	}
	if purpose == contentless {
		return t.contentless(req, body, record)
	}
	if !slices.Contains(t.UnsafePlaintextPaths, req.URL.Path) {
		return nil, apierror.BadRequest("endpoint_not_sealable", "", fmt.Sprintf(
			"%s %.80s has no sealing in this protocol, so nothing was sent. POST chat/completions, or list the path under unsafe_plaintext_paths of the route to send it in clear", req.Method, req.URL.Path))
	}
	record.Treatment = exchange.Plaintext
	return t.sendAsIs(req, body, "", record)
}

// contentless carries a request on an endpoint that takes no content.
func (t *Transport) contentless(req *http.Request, body []byte, record *exchange.Record) (*http.Response, error) {
	if err := checkContentless(req, body); err != nil {
		return nil, err
	}
	var names chatRequest // of a chat with nothing but a query string
	if err := names.judgeQuery(req.URL.RawQuery, t.policy()); err != nil {
		return nil, err
	}
	names.tell(record)
	record.Treatment = exchange.NoContent
	resp, err := t.sendAsIs(req, body, "", record)
	if err == nil {
		record.ReportRequest(resp.Header)
	}
	return resp, err
}

// chat carries a request on a sealable endpoint.
func (t *Transport) chat(req *http.Request, body []byte, record *exchange.Record, start time.Time) (*http.Response, error) {
	if err := checkContentHeaders(req.Header); err != nil {
		return nil, err
	}
	if _, sealed := req.Header[HeaderSessionToken]; sealed {
		return t.pass(req, body, record)
	}
	a, cert, err := t.prepare(req, body, t.policy(), start)
	if err != nil {
		return nil, err
	}
	a.chat.tell(record)
	return a.carry(cert)
}

// Judge refuses a chat that RoundTrip would refuse before it sends anything, as if
// the images that it links by http(s) stood in it: whoever fetches them asks here
// first, for a fetch tells others of the chat. body is the request's; it may be
// changed before it is sent.
func (t *Transport) Judge(req *http.Request, body []byte) error {
	start := time.Now()
	if err := checkNames(req.Header); err != nil {
		return err
	}
	if err := checkContentHeaders(req.Header); err != nil {
		return err
	}
	_, _, err := t.prepare(req, body, t.policy().withoutLinks(), start)
	return err
}

// prepare reads a chat that is to be sealed, and gets what it takes to send it.
func (t *Transport) prepare(req *http.Request, body []byte, policy *Policy, start time.Time) (*attempt, *Certificate, error) {
	record := exchange.From(req.Context())
	chat, err := readChat(body, toSeal, policy)
	if err != nil {
		return nil, nil, err
	}
	if err := chat.judgeQuery(req.URL.RawQuery, policy); err != nil {
		return nil, nil, err
	}
	record.Model = chat.model
	record.Seal += time.Since(start)
	key, further, err := t.authorize(req, chat.model)
	if err != nil {
		return nil, nil, err
	}
	if key == "" {
		return nil, nil, missingKey()
	}
	query := Query{Model: chat.model, Credential: key, AICC: t.AICC}
	waiting := time.Now()
	cert, err := t.Certificates.Certificate(req.Context(), query)
	record.Certificate += time.Since(waiting)
	if err != nil {
		return nil, nil, err
	}
	return &attempt{Transport: t, req: req, further: further, body: body, chat: chat, query: query, record: record}, cert, nil
}

// pass carries a request that the app sealed itself, and its reply, untouched.
func (t *Transport) pass(req *http.Request, body []byte, record *exchange.Record) (*http.Response, error) {
	chat, err := readChat(body, toPass, t.policy())
	if err != nil {
		return nil, err
	}
	if err := chat.judgeQuery(req.URL.RawQuery, t.policy()); err != nil {
		return nil, err
	}
	chat.tell(record)
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

// headers are the protocol's headers of a sealed request.
func (t *Transport) headers(s *Session, c *Certificate) http.Header {
	h := http.Header{
		HeaderEncrypted:    {"true"},
		HeaderSessionToken: {s.Token()},
		HeaderEncryptInfo:  {c.encryptInfo},
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
	hideIdempotency(out.Header)
	sent := time.Now()
	resp, err := payload.Send(t.Base, out, body)
	record.Upstream += time.Since(sent)
	if err == nil {
		exchange.DropOwnHeaders(resp.Header)
		record.Stream = payload.MediaType(resp.Header) == "text/event-stream"
	}
	return resp, err
}

// hideIdempotency keeps net/http from sending a request again by itself. It does
// so when the connection breaks under a request that calls itself idempotent,
// even one that was processed: there would be two replies under one key and
// nonce. A name in another case is sent alike and not recognised (HTTP names are
// case-insensitive, RFC 9110 section 5.1).
func hideIdempotency(h http.Header) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}
