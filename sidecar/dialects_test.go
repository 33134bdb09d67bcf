package sidecar_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A session token is for what was sealed with it, and a translated chat was not.
func TestAnAppThatSealsCannotUseAnotherAPI(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/responses", "/v1/messages"} {
		s := newSite(t)
		p := s.run(t, "revocation: {mode: off}")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr().String()+path, strings.NewReader(`{"model":"m","max_tokens":5,"input":"hi"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer key")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Session-Token", "token")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if sent := s.last.Load(); sent != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), "invalid_session_token") {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, answer)
		}
	}
}

// Errors have the form that an SDK of Anthropic's reads, whoever gives them.
func TestErrorsForAnthropicsSDKsHaveTheirForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.run(t, "revocation: {mode: off}")
	for path, status := range map[string]int{"/nowhere": 400, "/v1/embeddings": 400, "/v1/messages/count_tokens": 400, "/api/compatible/v1/messages": 400} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.Addr().String()+path, strings.NewReader(`{"model":"m","top_k":5}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Api-Key", "key")
		req.Header.Set("Anthropic-Version", "2023-06-01")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != status || !strings.HasPrefix(string(answer), `{"type":"error","error":{"type":"invalid_request_error","message":`) {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, answer)
		}
		if strings.Contains(path, "compatible") && !strings.Contains(string(answer), `"param":"messages"`) {
			t.Errorf("%s is not Anthropic's API: %s", path, answer)
		}
	}
}
