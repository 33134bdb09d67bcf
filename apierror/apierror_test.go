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
