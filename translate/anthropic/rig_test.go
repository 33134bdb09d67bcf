package anthropic_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/translate/anthropic"
	"sealcar/translate/dialect"
)

const base = "/api/v3"

// chats is the transport that seals chats: it keeps what it is given and answers
// alike every time.
type chats struct {
	status int
	kind   string
	body   io.Reader

	request *http.Request
	sent    string
}

func answering(kind, body string) *chats {
	return &chats{status: http.StatusOK, kind: kind, body: strings.NewReader(body)}
}

// RoundTrip implements http.RoundTripper.
func (c *chats) RoundTrip(req *http.Request) (*http.Response, error) {
	c.request = req
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		c.sent = string(b)
	}
	return &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {c.kind}}, Body: io.NopCloser(c.body), Request: req}, nil
}

func transport(c *chats) *anthropic.Transport {
	return &anthropic.Transport{Settings: dialect.Settings{Base: c, BasePath: base, SealedBy: "X-Session-Token"}}
}

func post(ctx context.Context, t testing.TB, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://upstream.example"+base+"/v1/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

// answer is what a request gives: the status, the whole body, and what ended it.
func answer(t testing.TB, c *chats, body string) (int, string, error) {
	t.Helper()
	resp, err := transport(c).RoundTrip(post(exchange.With(t.Context(), new(exchange.Record)), t, body))
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func wantCode(t *testing.T, err error, status int, code, param string) {
	t.Helper()
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *apierror.Error with code %s", err, code)
	}
	if e.Status != status || e.Code != code || e.Param != param {
		t.Errorf("got %d %s at %q (%s), want %d %s at %q", e.Status, e.Code, e.Param, e.Message, status, code, param)
	}
}

// event is one event of a stream.
type event struct {
	name string
	data map[string]any
}

func (e event) number(member string) int {
	n, ok := e.data[member].(float64)
	if !ok {
		return -1
	}
	return int(n)
}

func (e event) text(member string) string {
	s, _ := e.data[member].(string)
	return s
}

func events(t *testing.T, stream string) []event {
	t.Helper()
	var all []event
	for _, text := range strings.SplitAfter(stream, "\n\n") {
		if text == "" {
			continue
		}
		head, data, ok := strings.Cut(strings.TrimSuffix(text, "\n\n"), "\ndata: ")
		name, named := strings.CutPrefix(head, "event: ")
		e := event{name: name}
		if err := json.Unmarshal([]byte(data), &e.data); err != nil || !ok || !named {
			t.Fatalf("%q is no event: %v", text, err)
		}
		all = append(all, e)
	}
	return all
}

func names(list []event) string {
	var b strings.Builder
	for _, e := range list {
		b.WriteString(e.name + " ")
	}
	return strings.TrimSpace(b.String())
}
