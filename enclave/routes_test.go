package enclave_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sealcar/enclave"
	"sealcar/test/inprocess"
)

func TestRoutesAndCredentials(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true})
	const chat = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	tests := map[string]struct {
		method, path, body, authorization string
		status                            int
		code                              string
	}{
		"chat":                     {"POST", chatPath, chat, "Bearer " + e.apiKey, 200, ""},
		"batch chat":               {"POST", "/api/v3/batch/chat/completions", chat, "Bearer " + e.apiKey, 200, ""},
		"scheme in another case":   {"POST", chatPath, chat, "bearer " + e.apiKey, 200, ""},
		"chat without key":         {"POST", chatPath, chat, "", 401, "AuthenticationError"},
		"chat with another key":    {"POST", chatPath, chat, "Bearer sk-enclave-WRONG", 401, "AuthenticationError"},
		"chat with half the key":   {"POST", chatPath, chat, "Bearer " + e.apiKey[:20], 401, "AuthenticationError"},
		"chat with another scheme": {"POST", chatPath, chat, "Basic " + e.apiKey, 401, "AuthenticationError"},
		"chat with an empty key":   {"POST", chatPath, chat, "Bearer ", 401, "AuthenticationError"},
		"chat by GET":              {"GET", chatPath, "", "Bearer " + e.apiKey, 404, "NotFound"},
		"models":                   {"GET", "/api/v3/models", "", "Bearer " + e.apiKey, 200, ""},
		"model":                    {"GET", "/api/v3/models/echo", "", "Bearer " + e.apiKey, 200, ""},
		"unknown model":            {"GET", "/api/v3/models/gpt", "", "Bearer " + e.apiKey, 404, "model_not_found"},
		"models without key":       {"GET", "/api/v3/models", "", "", 401, "AuthenticationError"},
		"responses":                {"POST", "/api/v3/responses", chat, "Bearer " + e.apiKey, 404, "NotFound"},
		"embeddings":               {"POST", "/api/v3/embeddings", chat, "Bearer " + e.apiKey, 404, "NotFound"},
		"the backend's own path":   {"POST", "/v1/chat/completions", chat, "Bearer " + e.apiKey, 404, "NotFound"},
		"health":                   {"GET", "/healthz", "", "", 200, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := e.do(t, e.request(t, tc.method, tc.path, tc.body, "Authorization", tc.authorization))
			if got.StatusCode != tc.status {
				t.Fatalf("status %d, want %d: %s", got.StatusCode, tc.status, got.body)
			}
			if tc.authorization == "" && tc.status == http.StatusUnauthorized && !strings.Contains(string(got.body), "send Authorization: Bearer KEY") {
				t.Errorf("the answer does not say what to do: %s", got.body)
			}
			if tc.code != "" && errorCode(t, got) != tc.code {
				t.Errorf("code of %s, want %s", got.body, tc.code)
			}
		})
	}
}

func TestPlaintextIsRefusedByDefault(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	got := e.post(t, chatPath, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	if got.StatusCode != http.StatusBadRequest || errorCode(t, got) != "not_sealed" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

func TestClientRequestIDIsAnswered(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	for _, tc := range []struct{ sent, want string }{
		{"20261121-abc", "20261121-abc"},
		{"", ""}, // one is made
		{strings.Repeat("x", 1000), ""},
	} {
		got := e.do(t, e.request(t, http.MethodGet, "/healthz", "", "X-Client-Request-Id", tc.sent)).Header.Get("X-Client-Request-Id")
		if got == "" || len(got) > 128 || tc.want != "" && got != tc.want {
			t.Errorf("sent %.20q, got %q", tc.sent, got)
		}
	}
}

// A backend may know the header too.
func TestClientRequestIDIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Client-Request-Id", r.Header.Get("X-Client-Request-Id"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[]}`)
	}))
	defer backend.Close()
	e := start(t, enclave.Options{Backend: backend.URL + "/v1", AcceptPlaintext: true})
	got := e.post(t, chatPath, `{"model":"m","messages":[]}`, "X-Client-Request-Id", "id-1")
	if ids := got.Header["X-Client-Request-Id"]; !slices.Equal(ids, []string{"id-1"}) {
		t.Errorf("got %q", ids)
	}
}

func TestLogsOneLineARequestAndNoContent(t *testing.T) {
	t.Parallel()
	var lines inprocess.Log
	e := start(t, enclave.Options{AcceptPlaintext: true, Log: zerolog.New(&lines)})
	e.post(t, chatPath, `{"model":"log-model","stream":true,"messages":[{"role":"user","content":"canary-4711"}]}`, "X-Client-Request-Id", "id-1")
	e.post(t, chatPath, `{"model":"`+strings.Repeat("m", 1<<20)+`","messages":[{"role":"user","content":"canary-4711"}]}`)
	e.post(t, chatPath, `{"model":"m"}`, "Authorization", "Bearer wrong-4711")
	e.do(t, e.request(t, http.MethodGet, "/healthz", ""))
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	log := lines.String()
	got := strings.Split(strings.TrimSpace(log), "\n")
	if len(got) != 4 || len(log) > 4096 {
		t.Fatalf("%d lines, want 4, and %d bytes: %.4096s", len(got), len(log), log)
	}
	first := decode[map[string]any](t, []byte(got[0]))
	for key, want := range map[string]any{
		"id": "id-1", "endpoint": "POST " + chatPath, "model": "log-model",
		"treatment": "plaintext", "status": 200.0,
	} {
		if first[key] != want {
			t.Errorf("%s is %v, want %v", key, first[key], want)
		}
	}
	if refused := decode[map[string]any](t, []byte(got[2])); refused["status"] != 401.0 || refused["treatment"] != "refused" {
		t.Errorf("third line: %v", refused)
	}
	if health := decode[map[string]any](t, []byte(got[3])); health["status"] != 200.0 || health["treatment"] != "no_content" {
		t.Errorf("fourth line: %v", health)
	}
	for _, secret := range []string{"canary-4711", "wrong-4711", e.apiKey} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
