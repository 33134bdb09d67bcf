package ark

import (
	"crypto/ecdh"
	"errors"
	"log"
	"net/http"
	"net/http/httputil"
	"strings"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/rewrite"
)

// Handler is the enclave half: it opens sealed requests, hands them to Backend
// as the plaintext OpenAI requests they are, and seals the replies. It serves
// the sealable endpoints and answers 404 to anything else; authentication is its
// caller's.
//
// A request that is not sealed is refused with a 400, unless AcceptPlaintext.
// Its errors have the API's shape.
type Handler struct {
	Keys    func() []*ecdh.PrivateKey // of the endpoint certificates in force, newest first; required
	Backend http.RoundTripper         // gets the opened request with the path as it came; required

	AcceptPlaintext bool // serve requests without a session token too, and answer them in clear
	JoinReplies     bool // seal the content of a reply that does not stream as several ciphertexts joined

	MaxRequestBytes int64 // of the opened request; 0 means 64 MiB
	MaxReplyBytes   int64 // of a reply that is not a stream; 0 means 64 MiB
	MaxEventBytes   int   // of one event of a stream; 0 means 16 MiB

	Budget *payload.Budget // of all bodies in memory together; nil bounds each alone

	ErrorLog *log.Logger // of connections that break while a reply is copied; nil means the log package's
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var transport http.RoundTripper = enclaveTransport{h}
	if h.Budget != nil {
		transport = h.Budget.Within(transport)
	}
	(&httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {}, // Backend knows where to
		Transport: transport,
		ErrorLog:  h.ErrorLog,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			apierror.From(err, "backend_unreachable", "the enclave could not reach its backend").Write(w)
		},
	}).ServeHTTP(w, r)
}

// enclaveTransport is the mirror of Transport: open, send, seal.
type enclaveTransport struct{ h *Handler }

func (t enclaveTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	h := t.h
	record := exchange.From(req.Context())
	if purposeOf(req.Method, req.URL.Path) != sealable {
		return nil, &apierror.Error{Status: http.StatusNotFound, Code: "not_found", Message: "the enclave seals " + strings.Join(SealablePaths(), " and ")}
	}
	body, err := payload.Read(req, sealedLimit(h.MaxRequestBytes), "the enclave takes no more")
	if err != nil {
		return nil, err
	}
	chat, err := readChat(body, toOpen, defaultPolicy)
	if err != nil {
		return nil, err
	}
	record.Model = chat.model
	tokens := req.Header[HeaderSessionToken]
	if len(tokens) == 0 && h.AcceptPlaintext {
		record.Treatment = exchange.Plaintext
		return payload.Send(h.Backend, req.Clone(req.Context()), body)
	}
	if len(tokens) != 1 || req.Header.Get(HeaderEncrypted) != "true" {
		return nil, apierror.BadRequest("not_sealed", HeaderSessionToken, "this enclave takes sealed requests only: send x-is-encrypted: true and one X-Session-Token, or go through a sealcar sidecar")
	}
	session, opened, err := h.open(tokens[0], body, chat)
	if err != nil {
		return nil, err
	}
	record.Treatment = exchange.Sealed
	record.OpenedFields = len(chat.secret)
	resp, err := payload.Send(h.Backend, withoutProtocol(req), opened)
	if err != nil {
		return nil, err
	}
	if err := h.sealReply(resp, session, record); err != nil { //nolint:contextcheck // a reply has its request and with it the context
		_ = resp.Body.Close() // the reply is given up; its error is the one that counts
		return nil, err
	}
	return resp, nil
}

// sealedLimit is how large a request of at most limit bytes may be once it is
// sealed: base64 adds a third, and each string its tag.
func sealedLimit(limit int64) int64 {
	if limit <= 0 {
		limit = payload.DefaultLimit
	}
	return limit + limit/3 + 1<<20
}

// open opens the request with the first key that fits.
func (h *Handler) open(token string, body []byte, chat *chatRequest) (*Session, []byte, error) {
	if err := CheckToken(token); err != nil {
		e := apierror.BadRequest("invalid_session_token", HeaderSessionToken, "the session token is not an uncompressed P-256 point in base64")
		e.Cause = err
		return nil, nil, e
	}
	for _, key := range h.Keys() {
		session, err := AcceptSession(key, token)
		if err != nil {
			return nil, nil, err
		}
		var work stringWork
		opened, err := rewrite.Splice(make([]byte, 0, len(body)), body, chat.secret, func(dst, value []byte) ([]byte, error) {
			return work.convert(dst, value, session.openNonEmpty)
		})
		if err == nil {
			return session, opened, nil
		}
		if !errors.Is(err, ErrOpen) {
			return nil, nil, err
		}
	}
	return nil, nil, apierror.BadRequest("cannot_open", "messages", "the request does not open under any key of this endpoint: it was sealed for another certificate, or changed on the way; fetch the certificate anew and seal again")
}

// openNonEmpty opens one content of a request. The vendor's Go SDK leaves empty
// text parts unsealed.
func (s *Session) openNonEmpty(dst, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return dst, nil
	}
	return s.Open(dst, sealed)
}

// withoutProtocol is req without the protocol's headers: the backend knows
// nothing of them.
func withoutProtocol(req *http.Request) *http.Request {
	out := req.Clone(req.Context())
	for _, name := range []string{HeaderEncrypted, HeaderSessionToken, HeaderEncryptInfo, HeaderModerationScene} {
		out.Header.Del(name)
	}
	return out
}

// sealReply seals a successful reply's content; errors pass in clear, as the
// protocol has it.
func (h *Handler) sealReply(resp *http.Response, s *Session, record *exchange.Record) error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil
	}
	whole := s.Seal
	if h.JoinReplies {
		whole = s.sealJoined
	}
	switch payload.MediaType(resp.Header) {
	case "text/event-stream":
		record.Stream = true
		resp.Header.Del("Content-Length")
		resp.ContentLength = -1
		resp.Body = rewrite.Events(resp.Body, rewrite.EventConfig{Limit: h.MaxEventBytes, Room: payload.EventRoom(resp), Data: sealEvent(seal(s.Seal))})
		return nil
	case "application/json":
		return payload.Replace(resp, h.MaxReplyBytes, func(doc []byte) ([]byte, error) {
			var c completion
			if err := c.read(doc); err != nil {
				return nil, apierror.BadReply("backend_unreadable", "the backend's reply is not strict JSON of a chat completion", err)
			}
			return c.rewrite(nil, seal(whole))
		})
	default:
		return apierror.BadReply("backend_unreadable", "the backend answered neither JSON nor an event stream", nil)
	}
}

func sealEvent(fn convert) func(dst, data []byte) ([]byte, bool, error) {
	var c completion
	return func(dst, data []byte) ([]byte, bool, error) {
		if string(data) == payload.EndOfStream {
			return dst, false, nil
		}
		if err := c.read(data); err != nil || len(c.contents) == 0 {
			return dst, false, err
		}
		out, err := c.rewrite(dst, fn)
		return out, true, err
	}
}

// seal is a convert that leaves filtered content in clear, as Ark does.
func seal(fn func(dst, text []byte) []byte) convert {
	return func(dst, text []byte, s contentString) ([]byte, error) {
		if s.filtered {
			return append(dst, text...), nil
		}
		return fn(dst, text), nil
	}
}

// sealJoined seals text as several ciphertexts joined, a word each.
func (s *Session) sealJoined(dst, text []byte) []byte {
	for word := range strings.SplitAfterSeq(string(text), " ") {
		dst = s.Seal(dst, []byte(word))
	}
	return dst
}
