package payload_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/apierror"
	"sealcar/payload"
)

// upper changes documents that hold an a, and refuses those that hold a bang.
func upper(dst, doc []byte, stream bool) (out []byte, changed bool, err error) {
	switch text := string(doc); {
	case strings.Contains(text, "!"):
		return nil, false, errBroken
	case !strings.Contains(text, "a"):
		return dst, false, nil
	case stream:
		return append(dst, strings.ToUpper(text)+" of a stream"...), true, nil
	default:
		return append(dst, strings.ToUpper(text)...), true, nil
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	const unreadable = `{"error":{"message":"the upstream's reply is not what a chat is answered with","type":"sealcar_error","code":"reply_unreadable","param":null}}`
	const tooLarge = `{"error":{"message":"an event of the upstream's stream is over limits.event_bytes","type":"sealcar_error","code":"reply_too_large","param":null}}`
	for name, test := range map[string]struct {
		status          int
		mediaType, body string
		want, code      string
	}{
		"a document":             {200, "application/json", "banana", "BANANA", ""},
		"one that stays":         {201, "application/json; charset=utf-8", "bee", "bee", ""},
		"one that is refused":    {200, "application/json", "no!", "", "reply_unreadable"},
		"a large one":            {200, "application/json", strings.Repeat("b", 6*10+1), "", "reply_too_large"},
		"an error":               {400, "application/json", "banana", "banana", ""},
		"a redirect":             {302, "text/event-stream", "data: a\n\n", "data: a\n\n", ""},
		"another type":           {200, "text/plain", "banana", "banana", ""},
		"a stream":               {200, "text/event-stream", "id: 1\ndata: a\n\n: hi\n\ndata:b\n\ndata: [DONE]\n\n", "id: 1\ndata: A of a stream\n\n: hi\n\ndata:b\n\ndata: [DONE]\n\n", ""},
		"an event refused":       {200, "text/event-stream", "data: b\n\ndata: !\n\ndata: c\n\n", "data: b\n\ndata: " + unreadable + "\n\n", "reply_unreadable"},
		"a large event":          {200, "text/event-stream", "data: " + strings.Repeat("b", 6*20), "data: " + tooLarge + "\n\n", "reply_too_large"},
		"an event that is whole": {200, "text/event-stream", "data: " + strings.Repeat("b", 100) + "\n\n", "data: " + strings.Repeat("b", 100) + "\n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp := &http.Response{StatusCode: test.status, Header: http.Header{"Content-Type": {test.mediaType}}, Body: io.NopCloser(strings.NewReader(test.body))}
			err := payload.Edit(resp, payload.Limits{Reply: 10, Event: 20}, upper)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(resp.Body)
			}
			fault, ok := errors.AsType[*apierror.Error](err)
			if ok != (test.code != "") || ok && fault.Code != test.code || err != nil && !ok || string(got) != test.want {
				t.Errorf("%v: got %q, want %q", err, got, test.want)
			}
		})
	}
}

// A fault of the body is whoever's who reads it: it has been told of already.
func TestEditPassesFaultsOfTheBody(t *testing.T) {
	t.Parallel()
	body := io.MultiReader(strings.NewReader("data: a\n\n"), iotest.ErrReader(errBroken))
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}, "Content-Length": {"9"}}, ContentLength: 9, Body: io.NopCloser(body)}
	if err := payload.Edit(resp, payload.Limits{}, upper); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if !errors.Is(err, errBroken) || string(got) != "data: A of a stream\n\n" || resp.ContentLength != -1 || resp.Header.Get("Content-Length") != "" {
		t.Errorf("%v: %q, %+v", err, got, resp)
	}
}

// The fault of a body has been told in an event; to tell it again would be a
// second error event.
func TestEditTellsNoFaultTwice(t *testing.T) {
	t.Parallel()
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader("data: " + strings.Repeat("b", 200) + "\n\n"))}
	for _, limit := range []int{20, 30} { // the first to see it is the one that is nearer
		if err := payload.Edit(resp, payload.Limits{Event: limit}, upper); err != nil {
			t.Fatal(err)
		}
	}
	got, err := io.ReadAll(resp.Body)
	wantCode(t, err, http.StatusBadGateway, "reply_too_large")
	if n := strings.Count(strings.ToLower(string(got)), "reply_too_large"); n != 1 {
		t.Errorf("it is told %d times: %s", n, got)
	}
}

// An event for which the budget has no room is a fault that is found here.
func TestT84_EditTellsThatThereIsNoRoom(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(64 * kib)
	stream := "data: " + strings.Repeat("a", 30*kib) + "\n\n"
	resp, err := inside(t, budget, func(r *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(stream)), Request: r}
		return resp, payload.Edit(resp, payload.Limits{}, upper)
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	wantCode(t, err, http.StatusServiceUnavailable, "buffers_full")
	if !strings.Contains(string(got), `"code":"buffers_full"`) {
		t.Errorf("the stream ends in %q", got)
	}
	_ = resp.Body.Close()
	wantUsed(t, budget, 0)
}
