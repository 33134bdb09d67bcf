package sidecar_test

import (
	"encoding/json"
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

// An SDK of Anthropic's puts /v1/models behind whatever base it has.
func TestModelsForAnthropicsSDKsBelowEveryBase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.run(t, "revocation: {mode: off}")
	for _, path := range []string{"/v1/models", "/api/v3/models", "/api/v3/v1/models", "/api/compatible/v1/models/m"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", "key")
		req.Header.Set("Anthropic-Version", "2023-06-01")
		// "the chat arrived" are the upstream's words for everything.
		if status, answer := do(t, req); status != http.StatusNotFound || answer != `{"type":"error","error":{"type":"not_found_error","message":"the chat arrived"}}` {
			t.Errorf("%s: status %d: %s", path, status, answer)
		}
	}
}

// Two base paths of the default route lead to the same one.
func TestAPathWithoutARouteIsToldEachBaseOnce(t *testing.T) {
	t.Parallel()
	p := newSite(t).run(t, "revocation: {mode: off}")
	if _, answer := post(t, "http://"+p.Addr().String()+"/nowhere", "{}", nil); !strings.Contains(answer, "serves here: /v1, /api/v3, /api/compatible/v1.") {
		t.Errorf("got %s", answer)
	}
}

// What a route's policy refuses is named by its place in what the application sent,
// though the policy judges the chat that it became, with its tools moved.
func TestARefusalNamesThePlaceInTheRequestOfAnotherAPI(t *testing.T) {
	t.Parallel()
	const (
		image    = `https://images.example/a.png`
		part     = `{"type":"input_text","text":"a"},{"type":"input_image","image_url":"` + image + `"}`
		results  = `{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"a"},{"type":"function_call_output","call_id":"c","output":"b"}`
		function = `"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]`
		block    = `{"type":"text","text":"a"},{"type":"image","source":{"type":"url","url":"` + image + `"}}`
		tool     = `"tools":[{"name":"f","input_schema":{"type":"object"}}]`
	)
	required := map[string]string{"/v1/responses": `{"model":"m",`, "/v1/messages": `{"model":"m","max_tokens":5,`}
	for name, tc := range map[string]struct{ path, body, moved, param string }{
		"an image":                    {"/v1/responses", `"instructions":"i","input":[{"role":"user","content":[` + part + `]}]`, "false", "input[0].content[1].image_url"},
		"an image behind results":     {"/v1/responses", function + `,"input":[{"role":"user","content":"u"},` + results + `,{"role":"user","content":[` + part + `]}]`, "true", "input[4].content[1].image_url"},
		"a function":                  {"/v1/responses", `"input":"u",` + function, "false", "tools[0].name"},
		"a call":                      {"/v1/responses", `"input":[` + results + `]`, "false", "input[0].name"},
		"a schema of the answer":      {"/v1/responses", `"input":"u","text":{"format":{"type":"json_schema","name":"n","schema":{}}}`, "false", "text.format.name"},
		"a message's image":           {"/v1/messages", `"messages":[{"role":"user","content":"a"},{"role":"user","content":[` + block + `]}]`, "false", "messages[1].content[1].source.url"},
		"a message's, behind a tool":  {"/v1/messages", tool + `,"messages":[{"role":"user","content":[` + block + `]}]`, "true", "messages[0].content[1].source.url"},
		"an image of a tool's result": {"/v1/messages", `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[` + block + `]}]}]`, "false", "messages[0].content[0].content[1].source.url"},
		"a tool":                      {"/v1/messages", `"system":"s","messages":[{"role":"user","content":"a"}],` + tool, "false", "tools[0].name"},
		"a tool's use":                {"/v1/messages", `"messages":[{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"c","name":"f","input":{}}]}]`, "false", "messages[0].content[1].name"},
		"no item":                     {"/v1/responses", `"input":[]`, "false", "input"},
		"no item but thoughts":        {"/v1/responses", `"input":[{"type":"reasoning","id":"rs_1","summary":[]}]`, "false", "input"},
		"no turn":                     {"/v1/messages", `"messages":[]`, "false", "messages"},
		"words that end an answer":    {"/v1/messages", `"messages":[{"role":"user","content":"a"}],"stop_sequences":["secret"]`, "false", "stop_sequences"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.route = "    strict: true\n    move_tools: " + tc.moved
			p := s.run(t, "revocation: {mode: off}")
			status, answer := post(t, "http://"+p.Addr().String()+tc.path, required[tc.path]+tc.body+`}`, map[string]string{"X-Api-Key": "key", "Authorization": "Bearer key"})
			var doc struct {
				Error struct{ Message, Param string }
			}
			if err := json.Unmarshal([]byte(answer), &doc); err != nil {
				t.Fatal(err)
			}
			if status != http.StatusBadRequest || doc.Error.Param != tc.param || !strings.HasPrefix(doc.Error.Message, tc.param+" ") || strings.Contains(doc.Error.Message, "must be") {
				t.Errorf("got %d at %q, want %q: %s", status, doc.Error.Param, tc.param, doc.Error.Message)
			}
		})
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
	return do(t, req)
}

// do sends a request and gives the answer.
func do(t *testing.T, req *http.Request) (status int, answer string) {
	t.Helper()
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
