package apierror_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"sealcar/apierror"
)

// A retry costs: the model is asked, and billed, once more.
func TestOnlyWhatMayHelpIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   *apierror.Error
		retry string
	}{
		"a request that cannot be taken": {apierror.BadRequest("c", "p", "m"), "false"},
		"a reply that cannot be taken":   {apierror.BadReply("c", "m", nil), "false"},
		"a reply that broke off":         {apierror.BrokenReply("c", "m", nil), ""},
		"a failure of whatever kind":     {apierror.From(errors.New("x"), "c", "m"), ""},
		"a 503":                          {&apierror.Error{Status: http.StatusServiceUnavailable}, ""},
		"a 503 that stays":               {&apierror.Error{Status: http.StatusServiceUnavailable, NoRetry: true}, "false"},
		"a 408":                          {&apierror.Error{Status: http.StatusRequestTimeout}, ""},
		"a 429":                          {&apierror.Error{Status: http.StatusTooManyRequests}, ""},
	} {
		w := httptest.NewRecorder()
		test.err.Write(w)
		if got := w.Header().Get("X-Should-Retry"); got != test.retry {
			t.Errorf("%s: x-should-retry is %q, want %q", name, got, test.retry)
		}
	}
}

// What a message says beside the place stays as it is.
func TestElsewhereReplacesAWholeName(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"stop must be an array":                    "stop_sequences must be an array",
		"unstoppable: stopped, non-stop, stop.":    "unstoppable: stopped, non-stop, stop_sequences.",
		"nothing was sent, for stop[?] is unknown": "nothing was sent, for stop_sequences[?] is unknown",
		"stop stop":              "stop_sequences stop",
		"stop":                   "stop_sequences",
		"stop_words are stopped": "stop_words are stopped",
	} {
		got := apierror.BadRequest("c", "stop", message).Elsewhere("stop_sequences")
		if got.Message != want || got.Param != "stop_sequences" {
			t.Errorf("%q became %q at %s, want %q", message, got.Message, got.Param, want)
		}
	}
}
