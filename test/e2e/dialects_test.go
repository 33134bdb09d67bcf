package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"sealcar/enclave"
)

// What an application says in another API crosses the wire sealed, and comes back
// in that API's form; what the route does not translate is refused, and what it
// lets pass in clear is not touched.
func TestOtherAPIsAreSealedAsTheRouteSays(t *testing.T) {
	t.Parallel()
	const (
		response  = `{"model":"ep-1","instructions":"canary-a","input":[{"role":"user","content":[{"type":"input_text","text":"canary-b"},{"type":"input_image","image_url":"data:image/png;base64,canarycanary"}]}],"metadata":{"k":"canary-c"}`
		message   = `{"model":"ep-1","max_tokens":99,"system":"canary-a","messages":[{"role":"user","content":[{"type":"text","text":"canary-b"},{"type":"tool_result","tool_use_id":"c","content":"canary-c"}]}],"metadata":{"user_id":"canary-d"}`
		whole     = `}`
		streaming = `,"stream":true}`
	)
	tests := map[string]struct {
		path, body, route string
		want, code        string // in the reply; the code of a refusal
	}{
		"a response":                    {"/responses", response + whole, "", `"object":"response"`, ""},
		"a response, streamed":          {"/responses", response + streaming, "", "event: response.completed\n", ""},
		"a message":                     {"/messages", message + whole, "", `"type":"message"`, ""},
		"a message, streamed":           {"/messages", message + streaming, "", "event: message_stop\n", ""},
		"strict":                        {"/responses", response + whole, "strict: true", `"object":"response"`, ""},
		"responses not translated":      {"/responses", response + whole, "dialects: [anthropic]", "", "endpoint_not_sealable"},
		"messages not translated":       {"/messages", message + whole, "dialects: [responses]", "", "endpoint_not_sealable"},
		"nothing translated":            {"/messages", message + whole, "dialects: []", "", "endpoint_not_sealable"},
		"tools, and strict":             {"/responses", `{"model":"ep-1","input":"u","tools":[{"type":"function","name":"canary"}]}`, "strict: true", "", "unsealable_field"},
		"an image by address":           {"/messages", `{"model":"ep-1","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://canary"}}]}]}`, "", "", "unsealable_content"},
		"more values than limits allow": {"/responses", `{"model":"ep-1","input":"canary","tools":[` + strings.TrimSuffix(strings.Repeat("0,", 100), ",") + `]}`, "", "", "too_many_values"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, enclave.Options{}, byAPIKey+"    "+test.route+"\n", "limits: {json_values: 60}\n")
			got := p.call(t, http.MethodPost, test.path, p.key, test.body)
			if p.received("canary") {
				t.Error("the canary crossed the wire")
			}
			if test.code != "" {
				if got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":"`+test.code+`"`) || p.calls.count(chats) > 0 {
					t.Errorf("got %d %s", got.status, got.body)
				}
				return
			}
			if got.status != http.StatusOK || got.err != nil || !strings.Contains(got.body, test.want) || !strings.Contains(got.body, "canary-b") {
				t.Errorf("got %d %s, %v", got.status, got.body, got.err)
			}
			eventually(t, func() bool {
				return p.log.count(`"message":"request"`, `"treatment":"sealed"`, `"path":"/v1`+test.path, `"endpoint":"/api/v3/chat/completions"`) == 1
			}, p.log.String)
		})
	}
}

// A path that an unsafe setting lets pass in clear is somebody's wish for the
// upstream's own API.
func TestAPathThatMayPassInClearIsNotTranslated(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey+"    unsafe_plaintext_paths: [/api/v3/responses]\n", "")
	got := p.call(t, http.MethodPost, "/responses", p.key, `{"model":"ep-1","input":"canary"}`)
	if got.status != http.StatusNotFound || !p.received("canary") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	eventually(t, func() bool { return p.log.count(`"treatment":"plaintext"`) == 1 }, p.log.String)
}
