package dialectrig

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/translate/dialect"
)

// Base is the path of the upstream's API.
const Base = "/api/v3"

// Chats is the transport that seals chats: it keeps what it is given and answers
// alike every time.
type Chats struct {
	Status int
	Kind   string // the media type
	Body   io.Reader
	Refuse error       // in place of an answer
	Header http.Header // further ones

	Request *http.Request
	Sent    string
}

// Answering is one that answers 200 with a body.
func Answering(kind, body string) *Chats {
	return &Chats{Status: http.StatusOK, Kind: kind, Body: strings.NewReader(body)}
}

// RoundTrip implements http.RoundTripper.
func (c *Chats) RoundTrip(req *http.Request) (*http.Response, error) {
	c.Request = req
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		c.Sent = string(b)
	}
	if c.Refuse != nil {
		return nil, c.Refuse
	}
	header := http.Header{"Content-Type": {c.Kind}}
	maps.Copy(header, c.Header)
	return &http.Response{StatusCode: c.Status, Header: header, Body: io.NopCloser(c.Body), Request: req}, nil
}

// Settings are those of a translation in front of c.
func (c *Chats) Settings() dialect.Settings {
	return dialect.Settings{Base: c, BasePath: Base, SealedBy: "X-Session-Token"}
}

// Post is a request for a path below Base.
func Post(ctx context.Context, t testing.TB, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://upstream.example"+Base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

// Answer is what a request for a path gives: the status, the whole body, and what
// ended it.
func Answer(t testing.TB, way http.RoundTripper, path, body string) (int, string, error) {
	t.Helper()
	resp, err := way.RoundTrip(Post(exchange.With(t.Context(), new(exchange.Record)), t, path, body))
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// WantCode checks that err is an *apierror.Error with the code and param; "*" is
// any.
func WantCode(t *testing.T, err error, status int, code, param string) {
	t.Helper()
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *apierror.Error with code %s", err, code)
	}
	if e.Status != status || e.Code != code || param != "*" && e.Param != param {
		t.Errorf("got %d %s at %q (%s), want %d %s at %q", e.Status, e.Code, e.Param, e.Message, status, code, param)
	}
	if param != "*" && code != "invalid_json" && !strings.Contains(param, `["`) && !strings.Contains(e.Message, param) {
		t.Errorf("the message does not name %s: %s", param, e.Message) // an SDK shows it alone
	}
}

// Event is one event of a stream.
type Event struct {
	Name string
	Data map[string]any
}

// Number is a number of the event's data; -1 if there is none.
func (e Event) Number(member string) int {
	n, ok := e.Data[member].(float64)
	if !ok {
		return -1
	}
	return int(n)
}

// Text is a string of the event's data; "" if there is none.
func (e Event) Text(member string) string {
	s, _ := e.Data[member].(string)
	return s
}

// Events reads a stream, each event of which has a name and JSON as its data.
func Events(t *testing.T, stream string) []Event {
	t.Helper()
	var all []Event
	for text := range strings.SplitAfterSeq(stream, "\n\n") {
		if text == "" {
			continue
		}
		head, data, ok := strings.Cut(strings.TrimSuffix(text, "\n\n"), "\ndata: ")
		name, named := strings.CutPrefix(head, "event: ")
		e := Event{Name: name}
		if err := json.Unmarshal([]byte(data), &e.Data); err != nil || !ok || !named {
			t.Fatalf("%q is no event: %v", text, err)
		}
		all = append(all, e)
	}
	return all
}

// Names are the names of events, without a prefix that all have.
func Names(list []Event, prefix string) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = strings.TrimPrefix(e.Name, prefix)
	}
	return strings.Join(names, " ")
}
