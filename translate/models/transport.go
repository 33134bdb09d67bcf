package models

import (
	"net/http"

	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/rewrite"
)

// Transport exchanges the model of each request and names the one that was asked
// for in the reply. So certificate and API key are those of the exchanged model.
// Requests for models that Names lacks pass untouched.
type Transport struct {
	Base  http.RoundTripper // required; it gives replies in clear
	Names map[string]string // from the name in requests to that of the upstream; read only

	Applies func(*http.Request) bool // required: tells a request whose body names a model; others pass unread

	MaxRequestBytes int64 // 0 means 64 MiB
	ReplyLimits     payload.Limits
}

//nolint:gochecknoglobals // an immutable table: a model at the top, in requests and replies
var shape = &rewrite.Shape{Fields: map[string]*rewrite.Shape{"model": {Name: "model"}}}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.Applies(req) {
		return t.Base.RoundTrip(req)
	}
	record := exchange.From(req.Context())
	record.Treatment = exchange.Refused
	body, err := payload.Read(req, t.MaxRequestBytes, payload.SendLess)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	asked, to, span := t.find(body)
	if to == "" {
		return payload.Send(t.Base, out, body)
	}
	if body, err = replace(nil, body, span, to); err != nil {
		return nil, err
	}
	resp, err := payload.Send(t.Base, out, body)
	record.Model = asked
	if err != nil {
		return nil, err
	}
	r := reply{asked: asked}
	if err := payload.Edit(resp, t.ReplyLimits, r.edit); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// find gives the model that a body names, what it is exchanged for, and where it
// stands; to is "" if it stays.
func (t *Transport) find(body []byte) (asked, to string, span rewrite.Span) {
	var s rewrite.Scanner
	span, err := model(&s, body)
	if err != nil || span.End == 0 {
		return "", "", span
	}
	name, err := rewrite.Unquote(nil, body[span.Start:span.End])
	if err != nil {
		return "", "", span
	}
	return string(name), t.Names[string(name)], span
}

// model finds the string that a document has as its model; it is empty if there
// is none.
func model(s *rewrite.Scanner, doc []byte) (span rewrite.Span, err error) {
	err = s.Scan(doc, shape, func(v rewrite.Value) error {
		if v.Kind == '"' {
			span = rewrite.Span{Start: v.Start, End: v.End}
		}
		return nil
	})
	return span, err
}

// replace appends doc to dst with the string at span replaced by name.
func replace(dst, doc []byte, span rewrite.Span, name string) ([]byte, error) {
	return rewrite.Splice(dst, doc, []rewrite.Span{span}, func(dst, _ []byte) ([]byte, error) {
		return rewrite.Quote(dst, []byte(name))
	})
}

// reply is one reply that names the model that was asked for.
type reply struct {
	asked   string
	scanner rewrite.Scanner
}

func (r *reply) edit(dst, doc []byte, stream bool) (out []byte, changed bool, err error) {
	if stream && string(doc) == payload.EndOfStream {
		return dst, false, nil
	}
	span, err := model(&r.scanner, doc)
	if err != nil {
		return nil, false, err
	}
	if span.End == 0 {
		return dst, false, nil
	}
	out, err = replace(dst, doc, span, r.asked)
	return out, true, err
}
