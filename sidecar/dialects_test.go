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
		status, answer := post(t, "http://"+p.Addr().String()+path, `{"model":"m","max_tokens":5,"input":"hi"}`, map[string]string{"Authorization": "Bearer key", "X-Session-Token": "token"})
		if sent := s.last.Load(); sent != nil || status != http.StatusBadRequest || !strings.Contains(answer, "invalid_session_token") {
			t.Errorf("%s: status %d: %s", path, status, answer)
		}
	}
}

// Errors have the form that an SDK of Anthropic's reads, whoever gives them.
func TestErrorsForAnthropicsSDKsHaveTheirForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.run(t, "revocation: {mode: off}")
	for path, status := range map[string]int{"/nowhere": 400, "/v1/embeddings": 400, "/v1/messages/count_tokens": 400, "/api/compatible/v1/messages": 400} {
		got, answer := post(t, "http://"+p.Addr().String()+path, `{"model":"m","top_k":5}`, map[string]string{"X-Api-Key": "key", "Anthropic-Version": "2023-06-01"})
		if got != status || !strings.HasPrefix(answer, `{"type":"error","error":{"type":"invalid_request_error","message":`) {
			t.Errorf("%s: status %d: %s", path, got, answer)
		}
		if strings.Contains(path, "compatible") && !strings.Contains(string(answer), `"param":"messages"`) {
			t.Errorf("%s is not Anthropic's API: %s", path, answer)
		}
	}
}

// post sends a document and gives the answer.
func post(t *testing.T, url, body string, headers map[string]string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
