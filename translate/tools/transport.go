package tools

import (
	"cmp"
	"crypto/rand"
	"io"
	"net/http"
	"slices"

	"sealcar/crypto/ark"
	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/rewrite"
)

// Transport moves the tools of each chat into its messages, sends it by Base,
// which seals messages, and turns the calls in the opened reply into tool_calls.
// Whatever is no chat with tools passes untouched, and so does a chat that the
// application sealed itself.
//
// A chat whose tools cannot be moved is refused with an *apierror.Error; nothing
// of it is sent.
type Transport struct {
	Base   http.RoundTripper // required; it gives replies in clear
	Random io.Reader         // for the ids of calls; nil means crypto/rand.Reader

	MaxRequestBytes int64 // 0 means 64 MiB
	MaxReplyBytes   int64 // of a reply that is not a stream, as it came to Base; 0 means 64 MiB
	MaxEventBytes   int   // of one event of a stream likewise, and of what is held back of a stream; 0 means 16 MiB
}

const (
	defaultEventBytes = 16 << 20
	grown             = 6 // a byte of text may be six in JSON: \u0000
)

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	_, sealed := req.Header[ark.HeaderSessionToken]
	if sealed || req.Method != http.MethodPost || !slices.Contains(ark.SealablePaths(), req.URL.Path) {
		return t.Base.RoundTrip(req)
	}
	exchange.From(req.Context()).Treatment = exchange.Refused
	body, err := payload.Read(req, t.MaxRequestBytes, "nothing was sent; send less or raise limits.request_bytes")
	if err != nil {
		return nil, err
	}
	chat, err := move(body)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	if chat == nil {
		return payload.Send(t.Base, out, body)
	}
	resp, err := payload.Send(t.Base, out, chat.body)
	if err != nil || len(chat.names) == 0 {
		return resp, err
	}
	if err := t.restore(resp, chat.names); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// restore makes resp give the application tool_calls. Replies of another status
// than 2xx are errors.
func (t *Transport) restore(resp *http.Response, callable names) error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil
	}
	limit := cmp.Or(t.MaxEventBytes, defaultEventBytes)
	r := &reply{names: callable, random: t.Random, limit: limit}
	if r.random == nil {
		r.random = rand.Reader
	}
	switch payload.MediaType(resp.Header) {
	case "text/event-stream":
		r.stream = true
		resp.Header.Del("Content-Length")
		resp.ContentLength = -1
		resp.Body = rewrite.Events(resp.Body, rewrite.EventConfig{Limit: grown * limit, Data: r.event, End: r.end})
		return nil
	case "application/json":
		return payload.Replace(resp, grown*cmp.Or(t.MaxReplyBytes, payload.DefaultLimit), r.document)
	default:
		return nil
	}
}
