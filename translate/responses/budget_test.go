package responses_test

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/test/dialectrig"
	"sealcar/translate/dialect"
	"sealcar/translate/responses"
)

const kib = 1 << 10

// within sends a request inside a budget.
func within(t *testing.T, b *payload.Budget, c *dialectrig.Chats, s dialect.Settings, body string) (*http.Response, error) {
	t.Helper()
	s.Base, s.BasePath = c, dialectrig.Base
	return b.Within(&responses.Transport{Settings: s}).RoundTrip(dialectrig.Post(exchange.With(t.Context(), new(exchange.Record)), t, responses.Path, body))
}

func said(text string) string { return chunk(`{"content":"`+text+`"}`, "null") }

func streamEnd() string { return chunk(`{}`, `"stop"`) + theEnd }

// fails wants a stream to end in the API's error event with code, and an error.
func fails(t *testing.T, resp *http.Response, code string) {
	t.Helper()
	got, err := io.ReadAll(resp.Body)
	if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != code {
		t.Errorf("the stream ends in %v, want %s", err, code)
	}
	all := dialectrig.Events(t, string(got))
	if last := all[len(all)-1]; last.Name != "error" || last.Text("code") != code {
		t.Errorf("the last event is %v, want an error with code %s", last, code)
	}
}

// A response is said again at its end, so all of it is kept until then.
func TestT84_WhatAStreamHasSaidIsInsideTheBudget(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(1000 * kib)
	piece := strings.Repeat("x", 2*kib)
	c := dialectrig.Answering("text/event-stream", strings.Repeat(said(piece), 20)+streamEnd())
	resp, err := within(t, budget, c, dialect.Settings{}, streaming)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	if used := budget.Used(); used < 8*20*2*kib {
		t.Errorf("%d bytes are taken for a stream that has said %d", used, 20*2*kib)
	}
	_ = resp.Body.Close()

	c = dialectrig.Answering("text/event-stream", strings.Repeat(said(piece), 100)+streamEnd())
	if resp, err = within(t, budget, c, dialect.Settings{}, streaming); err != nil {
		t.Fatal(err)
	}
	fails(t, resp, "reply_too_large")
	_ = resp.Body.Close()
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are taken after the end", used)
	}
}

func TestT84_AResponseIsInsideTheBudget(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(1000 * kib)
	for size, fits := range map[int]bool{50 * kib: true, 150 * kib: false} {
		c := dialectrig.Answering("application/json", completionOf(`{"role":"assistant","content":"`+strings.Repeat("x", size)+`"}`, `"stop"`))
		resp, err := within(t, budget, c, dialect.Settings{}, `{"model":"m","input":"u"}`)
		if (err == nil) != fits {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err != nil {
			dialectrig.WantCode(t, err, http.StatusBadGateway, "reply_too_large", "")
			continue
		}
		if used := budget.Used(); used < int64(11*size) {
			t.Errorf("%d bytes are taken for a response of %d", used, size)
		}
		_ = resp.Body.Close()
	}
}

// seal looks at the budget when a chat comes to it.
type seal struct {
	budget *payload.Budget
	used   int64
}

func (s *seal) RoundTrip(*http.Request) (*http.Response, error) {
	s.used = s.budget.Used()
	return nil, apierror.BadRequest("unsealable_content", "messages[0].content", "messages[0].content: no.")
}

// Where the parts of a chat are in the request is known until it is sent, and
// there may be more of that than of the request itself.
func TestT84_ThePlacesOfARequestAreInsideTheBudget(t *testing.T) {
	t.Parallel()
	const item = `{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_text","text":"y"}]},`
	body := `{"model":"m","input":[` + strings.Repeat(item, 999) + strings.TrimSuffix(item, ",") + `]}`
	budget := payload.NewBudget(10_000 * kib)
	s := &seal{budget: budget}
	way := budget.Within(&responses.Transport{Settings: dialect.Settings{Base: s, BasePath: dialectrig.Base}})
	_, err := way.RoundTrip(dialectrig.Post(exchange.With(t.Context(), new(exchange.Record)), t, responses.Path, body))
	dialectrig.WantCode(t, err, http.StatusBadRequest, "unsealable_content", "input[0].content")
	const paths = 1000*len("input[0]") + 2000*len("input[0].content[0]") // at least
	if beside := int(s.used) - 4*len(body); beside < paths {
		t.Errorf("%d bytes are taken beside a body of %d, want those of %d bytes of paths", beside, len(body), paths)
	}
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are taken after the end", used)
	}
}

// A request is read into values, which take far more room than a short text: many
// of them are counted until the chat is sent.
func TestT84_TheValuesOfARequestAreInsideTheBudget(t *testing.T) {
	t.Parallel()
	const item = `{"role":"user","content":"x"},`
	body := `{"model":"m","input":[` + strings.Repeat(item, 999) + strings.TrimSuffix(item, ",") + `]}` // some 3000 values
	for size, code := range map[int64]string{700 * kib: "request_too_large", 4000 * kib: ""} {
		budget := payload.NewBudget(size)
		c := dialectrig.Answering("application/json", completionOf(`{"role":"assistant","content":"x"}`, `"stop"`))
		resp, err := within(t, budget, c, dialect.Settings{}, body)
		if code != "" {
			dialectrig.WantCode(t, err, http.StatusRequestEntityTooLarge, code, "")
			if c.Request != nil || !strings.Contains(err.Error(), "values") {
				t.Errorf("a chat was sent, or the error does not say why: %v", err)
			}
		} else if err != nil {
			t.Errorf("%d KiB: %v", size/kib, err)
		} else {
			if used := budget.Used(); used > 100*kib {
				t.Errorf("%d bytes are taken when the chat has been sent", used)
			}
			_ = resp.Body.Close()
		}
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are taken after the end", used)
		}
	}
}

// What a response repeats of its request is there for as long as it streams; the
// rest of the request is not.
func TestT84_WhatIsRepeatedOfARequestIsInsideTheBudget(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(1000 * kib)
	resp, err := within(t, budget, dialectrig.Answering("text/event-stream", streamEnd()), dialect.Settings{},
		`{"model":"m","stream":true,"input":"`+strings.Repeat("i", 30*kib)+`","instructions":"`+strings.Repeat("x", 20*kib)+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	if used := budget.Used(); used < 8*20*kib || used > 8*21*kib {
		t.Errorf("%d bytes are taken while a response streams that repeats %d", used, 20*kib)
	}
	_ = resp.Body.Close()
}

// The buffer of a stream's events is asked for as it grows, and a longer event
// than the limit is said to be that.
func TestT84_EventsAreInsideLimitAndBudget(t *testing.T) {
	t.Parallel()
	large := said(strings.Repeat("x", 100*kib))
	for name, test := range map[string]struct {
		settings dialect.Settings
		budget   int64
		code     string
	}{
		"an event that is opened is longer than it was": {dialect.Settings{MaxEventBytes: 50 * kib}, 4000 * kib, ""},
		"an event over the limit":                       {dialect.Settings{MaxEventBytes: 10 * kib}, 4000 * kib, "reply_too_large"},
		"an event that finds no room":                   {dialect.Settings{}, 200 * kib, "buffers_full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := within(t, payload.NewBudget(test.budget), dialectrig.Answering("text/event-stream", large+streamEnd()), test.settings, streaming)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if test.code != "" {
				fails(t, resp, test.code)
			} else if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
		})
	}
}

// The length of the chat's stream is not that of the response's.
func TestAStreamThatIsTranslatedHasNoLength(t *testing.T) {
	t.Parallel()
	rt := roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := dialectrig.Answering("text/event-stream", streamEnd()).RoundTrip(req)
		resp.ContentLength = int64(len(streamEnd()))
		resp.Header.Set("Content-Length", strconv.Itoa(len(streamEnd())))
		return resp, err
	})
	s := &responses.Transport{Settings: dialect.Settings{Base: rt, BasePath: base}}
	resp, err := s.RoundTrip(post(exchange.With(t.Context(), new(exchange.Record)), t, streaming))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.ContentLength != -1 || resp.Header.Get("Content-Length") != "" {
		t.Errorf("the length is %d, %q", resp.ContentLength, resp.Header.Get("Content-Length"))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
