package models_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/translate/models"
)

const chatPath = "/api/v3/chat/completions"

// upstream answers with one reply and keeps what it was sent.
type upstream struct {
	status           int // 0 is 200
	mediaType, reply string

	sent string
}

func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if req.ContentLength != int64(len(b)) {
		return nil, errors.New("the length is not that of the body")
	}
	u.sent = string(b)
	exchange.From(req.Context()).Model = "ep-1"
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {u.mediaType}}, Body: io.NopCloser(strings.NewReader(u.reply))}
	if u.status != 0 {
		resp.StatusCode = u.status
	}
	return resp, nil
}

func isChat(r *http.Request) bool { return r.URL.Path == chatPath }

func transport(u *upstream) *models.Transport {
	return &models.Transport{Base: u, Names: map[string]string{"gpt-4o": "ep-1", "模型": `ep-"2`}, Applies: isChat}
}

// send sends a chat and reads the reply; record gets what is known of it.
func send(t *testing.T, way http.RoundTripper, body string, edit func(*http.Request)) (reply string, record *exchange.Record, err error) {
	t.Helper()
	record = new(exchange.Record)
	req, err := http.NewRequestWithContext(exchange.With(t.Context(), record), http.MethodPost, "https://upstream.example"+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	edit(req)
	resp, err := way.RoundTrip(req)
	if err != nil {
		return "", record, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return string(b), record, err
}

func asItIs(*http.Request) {}

func TestTheModelIsExchangedAndNamedAsAskedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ mediaType, before, after string }{
		"a document": {"application/json", `{"id":"a", "model":"ep-1-2026","usage":{"model":"b"},"n":1.0}`, `{"id":"a", "model":"gpt-4o","usage":{"model":"b"},"n":1.0}`},
		"a stream":   {"text/event-stream", ": hi\n\ndata: {\"model\":\"ep-1\"}\n\ndata: {\"choices\":[],\"model\":\"x\"}\n\ndata: [DONE]\n\n", ": hi\n\ndata: {\"model\":\"gpt-4o\"}\n\ndata: {\"choices\":[],\"model\":\"gpt-4o\"}\n\ndata: [DONE]\n\n"},
		"no model":   {"application/json", `{"error":{"model":"ep-1"}}`, `{"error":{"model":"ep-1"}}`},
		"null":       {"application/json", `{"model":null}`, `{"model":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &upstream{mediaType: test.mediaType, reply: test.before}
			got, record, err := send(t, transport(u), `{"messages":[{"model":"gpt-4o"}], "model" : "gpt\u002d4o" ,"n":1.0}`, asItIs)
			if err != nil || got != test.after || record.Model != "gpt-4o" {
				t.Errorf("%v, model %q, got\n%s, want\n%s", err, record.Model, got, test.after)
			}
			if want := `{"messages":[{"model":"gpt-4o"}], "model" : "ep-1" ,"n":1.0}`; u.sent != want {
				t.Errorf("%s was sent, want %s", u.sent, want)
			}
		})
	}
	u := &upstream{mediaType: "application/json", reply: `{"model":"a"}`}
	if got, _, err := send(t, transport(u), `{"model":"模型"}`, asItIs); err != nil || got != `{"model":"模型"}` || u.sent != `{"model":"ep-\"2"}` {
		t.Errorf("%v: %s, %s", err, u.sent, got)
	}
}

func TestOthersPassByteForByte(t *testing.T) {
	t.Parallel()
	const asked = `{"model":"gpt-4o"}`
	for name, test := range map[string]struct {
		body string
		edit func(*http.Request)
	}{
		"another model":   {`{"model":"gpt-4"}`, asItIs},
		"another case":    {`{"model":"GPT-4o"}`, asItIs},
		"no model":        {`{"messages":[]}`, asItIs},
		"a number":        {`{"model":4}`, asItIs},
		"two models":      {`{"model":"gpt-4o","model":"gpt-4o"}`, asItIs},
		"a misspelt name": {`{"Model":"gpt-4o"}`, asItIs},
		"not JSON":        {`model=gpt-4o`, asItIs},
		"no chat":         {asked, func(r *http.Request) { r.URL.Path = "/api/v3/e2e/get/certificate" }},
	} {
		u := &upstream{mediaType: "application/json", reply: `{"model":"ep-9"}`}
		got, _, err := send(t, transport(u), test.body, test.edit)
		if err != nil || got != u.reply || u.sent != test.body {
			t.Errorf("%s: %v: %s was sent, got %s", name, err, u.sent, got)
		}
	}
	u := &upstream{status: 404, mediaType: "application/json", reply: `{"model":"ep-1"}`}
	if got, _, err := send(t, transport(u), asked, asItIs); err != nil || got != u.reply {
		t.Errorf("an error reply: %v: %s", err, got)
	}
}

func TestFaultsAndLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit     func(*models.Transport)
		upstream upstream
		code     string
	}{
		"request":   {func(t *models.Transport) { t.MaxRequestBytes = 10 }, upstream{}, "request_too_large"},
		"reply":     {func(t *models.Transport) { t.ReplyLimits = payload.Limits{Reply: 1} }, upstream{mediaType: "application/json", reply: `{"model":"a"}`}, "reply_too_large"},
		"event":     {func(t *models.Transport) { t.ReplyLimits = payload.Limits{Event: 1} }, upstream{mediaType: "text/event-stream", reply: "data: {\"model\":\"a\"}\n\n"}, "reply_too_large"},
		"no JSON":   {func(*models.Transport) {}, upstream{mediaType: "application/json", reply: `{`}, "reply_unreadable"},
		"no stream": {func(*models.Transport) {}, upstream{mediaType: "text/event-stream", reply: "data: {\n\n"}, "reply_unreadable"},
	} {
		way := transport(&test.upstream)
		test.edit(way)
		_, _, err := send(t, way, `{"model":"gpt-4o"}`, asItIs)
		if fault, ok := errors.AsType[*apierror.Error](err); !ok || fault.Code != test.code {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
