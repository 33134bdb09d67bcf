package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"sealcar/enclave"
)

// An application asks for a model by a name that only it knows.
func TestModelsByAnotherName(t *testing.T) {
	t.Parallel()
	backend := new(lines)
	p := startPair(t, enclave.Options{TapBackend: recording(backend)}, byAPIKey+"    move_tools: true\n    models: [{from: gpt-canary, to: ep-1}]\n", "")
	for _, stream := range []string{"false", "true"} {
		got := p.call(t, http.MethodPost, "/chat/completions", p.key, `{"model":"gpt-canary","stream":`+stream+`,"messages":[{"role":"user","content":"weather"}],"tools":[{"type":"function","function":{"name":"weather"}}]}`)
		if got.status != 200 || got.err != nil || !strings.Contains(got.body, `"model":"gpt-canary"`) || strings.Contains(got.body, "ep-1") || !strings.Contains(got.body, `"finish_reason":"tool_calls"`) {
			t.Errorf("stream %s: got %d: %s", stream, got.status, got.body)
		}
	}
	if backend.count("gpt-canary") != 0 || backend.count(`"model":"ep-1"`) != 2 {
		t.Errorf("the upstream got %s", backend)
	}
	eventually(t, func() bool { return p.log.count(`"message":"request"`, `"model":"gpt-canary"`) == 2 }, p.log.String)
	if got := p.chat(t, p.key, "", "x"); got.status != 200 || !strings.Contains(got.body, `"model":"ep-1"`) { // which is not listed
		t.Errorf("got %d: %s", got.status, got.body)
	}
}
