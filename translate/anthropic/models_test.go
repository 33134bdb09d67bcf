package anthropic_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sealcar/translate/anthropic"
	"sealcar/translate/dialect"
)

// listing is an upstream that lists models for one key, in its own form.
type listing struct{ asked *http.Request }

func (l *listing) RoundTrip(req *http.Request) (*http.Response, error) {
	l.asked = req
	w := httptest.NewRecorder()
	switch {
	case req.Header.Get("Authorization") != "Bearer key":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "upstreams")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":{"message":"no such key","code":"AuthenticationError"}}`)
	case req.URL.Path != base+"/models":
		http.NotFound(w, req)
	default:
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
	}
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// The SDKs of this API ask for models below whatever base they have, with their own
// header for the key, and read errors in one form alone.
func TestModelsAreListedForTheAPIsClients(t *testing.T) {
	t.Parallel()
	const noKey = `{"type":"error","error":{"type":"authentication_error","message":"no such key","code":"AuthenticationError"}}`
	const noModel = `{"type":"error","error":{"type":"not_found_error","message":"the upstream failed without saying why"}}`
	for name, tc := range map[string]struct {
		path    string
		headers map[string]string
		asked   string
		status  int
		answer  string
	}{
		"models":                      {"/models", map[string]string{"X-Api-Key": "key"}, "/models", 200, `{"object":"list","data":[]}`},
		"models below the SDK's base": {"/v1/models", map[string]string{"X-Api-Key": "key"}, "/models", 200, `{"object":"list","data":[]}`},
		"a Bearer token goes first":   {"/models", map[string]string{"X-Api-Key": "other", "Authorization": "Bearer key"}, "/models", 200, `{"object":"list","data":[]}`},
		"a key that is none":          {"/models", map[string]string{"Authorization": "Bearer bad"}, "/models", 401, noKey},
		"a model that is none":        {"/v1/models/zz", map[string]string{"X-Api-Key": "key"}, "/models/zz", 404, noModel},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := &listing{}
			resp := get(t, upstream, tc.path, tc.headers, "2023-06-01")
			if text := bodyOf(t, resp); resp.StatusCode != tc.status || text != tc.answer {
				t.Errorf("got %d %s, want %d %s", resp.StatusCode, text, tc.status, tc.answer)
			}
			if upstream.asked.URL.Path != base+tc.asked || upstream.asked.Header.Get("X-Api-Key") != "" || upstream.asked.Header.Get("Anthropic-Version") != "" {
				t.Errorf("the upstream was asked %s with %v", upstream.asked.URL.Path, upstream.asked.Header)
			}
			if id := resp.Header.Get("Request-Id"); tc.status == http.StatusUnauthorized && id != "upstreams" {
				t.Errorf("request-id is %q", id)
			}
		})
	}
}

func TestModelsOfOtherClientsAreTheUpstreamsOwn(t *testing.T) {
	t.Parallel()
	upstream := &listing{}
	resp := get(t, upstream, "/v1/models", map[string]string{"X-Api-Key": "key"}, "")
	if text := bodyOf(t, resp); !strings.HasPrefix(text, `{"error":{"message":"no such key"`) || upstream.asked.URL.Path != base+"/v1/models" || upstream.asked.Header.Get("X-Api-Key") != "key" {
		t.Errorf("asked %s with %v: %s", upstream.asked.URL.Path, upstream.asked.Header, text)
	}
}

func get(t *testing.T, upstream http.RoundTripper, path string, headers map[string]string, version string) *http.Response {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://upstream.example"+base+path, http.NoBody)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	if version != "" {
		req.Header.Set("Anthropic-Version", version)
	}
	way := &anthropic.Transport{Settings: dialect.Settings{Base: upstream, BasePath: base, SealedBy: "X-Session-Token"}}
	resp, err := way.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
