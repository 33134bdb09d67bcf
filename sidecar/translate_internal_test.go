package sidecar

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"sealcar/crypto/ark"
)

func TestOnlyChatsInClearAreTranslated(t *testing.T) {
	t.Parallel()
	const chat = "/api/v3/chat/completions"
	for name, test := range map[string]struct {
		method, path string
		header       http.Header
		want         bool
	}{
		"a chat":                 {http.MethodPost, chat, nil, true},
		"a batch chat":           {http.MethodPost, "/api/v3/batch/chat/completions", nil, true},
		"another path":           {http.MethodPost, "/api/v3/bots/chat/completions", nil, false},
		"a path below":           {http.MethodPost, chat + "/x", nil, false},
		"another method":         {http.MethodPut, chat, nil, false},
		"sealed by the app":      {http.MethodPost, chat, http.Header{"X-Session-Token": {"token"}}, false},
		"a session token, empty": {http.MethodPost, chat, http.Header{"X-Session-Token": nil}, false},
	} {
		req := httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil)
		maps.Copy(req.Header, test.header)
		if got := postsInClear(ark.SealablePaths())(req); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
