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
		if sent := s.last.Load(); sent != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), "takes no X-Session-Token") {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, answer)
		}
	}
}
