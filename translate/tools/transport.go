package tools

import (
	"cmp"
	"crypto/rand"
	"io"
	"net/http"

	"sealcar/exchange"
	"sealcar/payload"
)

// Transport moves the tools of each chat into its messages, sends it by Base,
// which seals messages, and turns the calls in the opened reply into tool_calls.
// A chat without tools passes untouched, but a call in its reply is no more
// believed than in another's.
//
// A chat whose tools cannot be moved is refused with an *apierror.Error; nothing
// of it is sent. A Transport serves many requests at once, if Base and Random do.
type Transport struct {
	Base    http.RoundTripper        // required; it gives replies in clear
	Applies func(*http.Request) bool // required: tells a chat that Base will seal; others pass unread
	Random  io.Reader                // for the ids of calls; nil means crypto/rand.Reader

	MaxRequestBytes int64          // 0 means 64 MiB
	MaxValues       int            // of a request's JSON, as far as they are looked at; 0 means 1,000,000
	ReplyLimits     payload.Limits // Event bounds what is held back of a stream too
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.Applies(req) {
		return t.Base.RoundTrip(req)
	}
	exchange.From(req.Context()).Treatment = exchange.Refused
	body, err := payload.Read(req, t.MaxRequestBytes, payload.SendLess)
	if err != nil {
		return nil, err
	}
	chat, err := move(body, newRoom(t.MaxValues, payload.WorkRoom(req.Context())))
	if err != nil {
		return nil, err
	}
	if chat == nil {
		chat = &moved{body: body}
	}
	resp, err := payload.Send(t.Base, req.Clone(req.Context()), chat.body)
	if err != nil {
		return nil, chat.asWritten(err)
	}
	r := &reply{names: chat.names, random: t.Random, limit: cmp.Or(t.ReplyLimits.Event, payload.DefaultEventLimit), keep: payload.KeepRoom(resp)}
	if r.random == nil {
		r.random = rand.Reader
	}
	if err := payload.Edit(resp, t.ReplyLimits, r.edit); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}
