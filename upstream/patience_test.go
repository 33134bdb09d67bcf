package upstream_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/upstream"
)

// tripper is an upstream as a test wants it.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// slow reads from a request's body after each pause, and then answers.
func slow(pauses ...time.Duration) tripper {
	return func(req *http.Request) (*http.Response, error) {
		for _, pause := range pauses {
			select {
			case <-time.After(pause):
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
			_, _ = req.Body.Read(make([]byte, 1))
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("whole")), Request: req}, nil
	}
}

const patience = 10 * time.Second

func TestT38_PatienceIsForWhatMakesNoProgress(t *testing.T) {
	t.Parallel()
	const less, more = patience - time.Second, patience + time.Second
	for name, test := range map[string]struct {
		pauses []time.Duration
		held   bool
	}{
		"slower altogether, never between two reads": {pauses: []time.Duration{less, less, less}},
		"no read at all":          {pauses: []time.Duration{more}, held: true},
		"no read after the first": {pauses: []time.Duration{0, more}, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				resp, err := upstream.Patient(slow(test.pauses...), patience).RoundTrip(post(t))
				if err == nil {
					_ = resp.Body.Close()
				}
				timeout, ok := errors.AsType[net.Error](err)
				if test.held && (!ok || !timeout.Timeout()) || !test.held && err != nil {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestPatienceEndsWhenTheReplyBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late io.Reader
		resp, err := upstream.Patient(tripper(func(req *http.Request) (*http.Response, error) {
			late = req.Body // HTTP/2 may take a body on while it answers
			return slow()(req)
		}), patience).RoundTrip(post(t))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = late.Read(make([]byte, 1))
		time.Sleep(2 * patience)
		if resp.Request.Context().Err() != nil {
			t.Error("the reply's context has ended before the reply")
		}
		_ = resp.Body.Close()
		if resp.Request.Context().Err() == nil {
			t.Error("the context outlives the reply")
		}
	})
}

func post(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://models.example", strings.NewReader("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	return req
}
