package enclave_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sealcar/enclave"
)

// The echo plays a model that follows the form of docs/tools.md.
func TestEchoFollowsTheForm(t *testing.T) {
	t.Parallel()
	const (
		weather = `{"type":"function","function":{"name":"weather","parameters":{"properties":{"city":{"type":"string"}},"required":["city"]}}}`
		form    = "be brief\n\n# Tools\n\nin words\n<tools>\n" + `{"type":"function","function":{"name":"time"}}` + "\n" + weather + "\n</tools>\n\nhow to call"
	)
	e := start(t, enclave.Options{AcceptPlaintext: true})
	for name, test := range map[string]struct{ role, system, user, want string }{
		"a tool is named":  {"system", form, "weather?", "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"weather?\"}}\n</tool_call>"},
		"by the developer": {"developer", form, "time", "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>"},
		"required":         {"system", form + "\nIn your next answer, call at least one function.", "hi", "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>"},
		"a function":       {"system", form + "\nIn your next answer, call the function \"weather\".", "hi", "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"hi\"}}\n</tool_call>"},
		"none":             {"system", form + "\nDo not call a function in your next answer.", "weather?", "You said: weather?"},
		"nothing to call":  {"system", form, "hi", "You said: hi"},
		"a result":         {"system", form, "<tool_response>\n{\"content\":\"a\"}\n</tool_response>\n<tool_response>\n{\"id\":\"x\",\"content\":\"18 \\\"C\\\"\"}\n</tool_response>", `The tool said: 18 "C"`},
		"a broken result":  {"system", form, "<tool_response>\n{", "You said: <tool_response>\n{"},
		"broken tools":     {"system", "\n<tools>\n{\n</tools>\n", "weather?", "You said: weather?"},
		"a user's form":    {"user", form, "weather?", "You said: weather?"},
		"no form":          {"system", "\n<tools>\n", "weather?", "You said: weather?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := json.Marshal(map[string]any{"model": "m", "messages": []map[string]string{
				{"role": test.role, "content": test.system}, {"role": "user", "content": test.user},
			}})
			if err != nil {
				t.Fatal(err)
			}
			got := whole(t, e.post(t, chatPath, string(body)))
			if got.texts[0] != test.want || got.calls[0] != "" || got.finish[0] != "stop" {
				t.Errorf("got %+v, want %q", got, test.want)
			}
			body = []byte(strings.Replace(string(body), "{", `{"stream":true,`, 1))
			if got := streamed(t, e.post(t, chatPath, string(body))); got.texts[0] != test.want {
				t.Errorf("streamed: got %+v, want %q", got, test.want)
			}
		})
	}
}
