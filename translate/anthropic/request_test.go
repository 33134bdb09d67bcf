package anthropic_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/rewrite"
	"sealcar/test/dialectrig"
)

const (
	whole = `{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"ep-1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`
	tool  = `{"name":"f","description":"d","input_schema":{"n":1.50},"cache_control":{"type":"ephemeral"}}`
)

// with is a request with further members, of a user who says u.
func with(members string) string {
	return `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"u"}]` + members + `}`
}

// turns is a request with these messages.
func turns(messages string) string {
	return `{"model":"m","max_tokens":7,"messages":[` + messages + `]}`
}

func chatOf(messages, members string) string {
	return `{"model":"m","messages":[` + messages + `],` + members + `}`
}

const (
	sayU = `{"role":"user","content":"u"}`
	max7 = `"max_tokens":7`
)

func TestRequestBecomesAChat(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ request, chat string }{
		"a string":      {with(``), chatOf(sayU, max7)},
		"system":        {with(`,"system":"be <brief>"`), chatOf(`{"role":"system","content":"be <brief>"},`+sayU, max7)},
		"system blocks": {with(`,"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]`), chatOf(`{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},`+sayU, max7)},
		"images": {
			turns(`{"role":"user","content":[{"type":"text","text":"look"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA\/A"}},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}`),
			chatOf(`{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA\/A"}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}`, max7),
		},
		"calls and what they gave": {
			turns(sayU + `,{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"wait","citations":null},{"type":"tool_use","id":"c1","name":"f","input":{"a":1.0,"b":"<"}},{"type":"tool_use","id":"c2","name":"g","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"one"},{"type":"tool_result","tool_use_id":"c2","is_error":true,"content":[{"type":"text","text":"two"},{"type":"image","source":{"type":"url","url":"https://x"}}]},{"type":"text","text":"and?"}]},` +
				`{"role":"assistant","content":[{"type":"tool_use","id":"c3","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c3"}]}`),
			chatOf(sayU+`,{"role":"assistant","content":"wait","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1.0,\"b\":\"<\"}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},`+
				`{"role":"tool","content":"one","tool_call_id":"c1"},{"role":"tool","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"https://x"}}],"tool_call_id":"c2"},{"role":"user","content":"and?"},`+
				`{"role":"assistant","content":null,"tool_calls":[{"id":"c3","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"","tool_call_id":"c3"}`, max7),
		},
		"tools": {
			with(`,"tools":[` + tool + `,{"type":"custom","name":"g","input_schema":{},"defer_loading":false,"allowed_callers":["direct"],"input_examples":[]}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}`),
			chatOf(sayU, `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"n":1.50}}},{"type":"function","function":{"name":"g","parameters":{}}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,`+max7),
		},
		"any tool":  {with(`,"tool_choice":{"type":"any"}`), chatOf(sayU, `"tool_choice":"required",`+max7)},
		"auto tool": {with(`,"tool_choice":{"type":"auto"}`), chatOf(sayU, `"tool_choice":"auto",`+max7)},
		"parameters": {
			with(`,"temperature":0.70,"top_p":1e0,"stop_sequences":["a","b"],"stream":true,"service_tier":"standard_only","thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"a":9007199254740993}}}`),
			chatOf(sayU, `"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"a":9007199254740993},"strict":true}},`+max7+`,"temperature":0.70,"top_p":1e0,"stop":["a","b"],"reasoning_effort":"low","thinking":{"type":"auto"},"service_tier":"default","stream":true,"stream_options":{"include_usage":true}`),
		},
		"thinking": {with(`,"thinking":{"type":"enabled","budget_tokens":1024}`), chatOf(sayU, max7+`,"thinking":{"type":"enabled"}`)},
		"edits of the conversation that change nothing here": {with(`,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":{"type":"thinking_turns","value":1}}]}`), chatOf(sayU, max7)},
		"no edits":   {with(`,"context_management":{"edits":[]}`), chatOf(sayU, max7)},
		"null edits": {with(`,"context_management":{"edits":null}`), chatOf(sayU, max7)},
		"what Claude Code asks": {
			`{"model":"m","max_tokens":32000,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"u","cache_control":{"type":"ephemeral"}}]}],` +
				`"tools":[` + tool + `],"metadata":{"user_id":"{\"device_id\":\"d\"}"},"thinking":{"type":"adaptive"},"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"output_config":{"effort":"high"},"stream":true}`,
			chatOf(`{"role":"system","content":"s"},`+sayU, `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"n":1.50}}}],"max_tokens":32000,"reasoning_effort":"high","thinking":{"type":"auto"},"stream":true,"stream_options":{"include_usage":true}`),
		},
		"what is left out, and what says nothing": {
			with(`,"metadata":{"user_id":"u1"},"cache_control":{"type":"ephemeral"},"service_tier":"auto","speed":"standard","container":null,"top_k":null,"mcp_servers":[],"novelty":{}`),
			chatOf(sayU, max7),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, body := "application/json", whole
			if strings.Contains(test.request, `"stream":true`) {
				kind, body = "text/event-stream", aStream()
			}
			c := dialectrig.Answering(kind, body)
			if _, _, err := answer(t, c, test.request); err != nil {
				t.Fatal(err)
			}
			if c.Sent != test.chat {
				t.Errorf("sent\n%s\nwant\n%s", c.Sent, test.chat)
			}
			if c.Request.URL.Path != base+"/chat/completions" || c.Request.Method != http.MethodPost {
				t.Errorf("sent to %s %s", c.Request.Method, c.Request.URL.Path)
			}
		})
	}
}

func TestWhatAChatCannotSayIsRefused(t *testing.T) {
	t.Parallel()
	block := func(role, block string) string { return turns(`{"role":"` + role + `","content":[` + block + `]}`) }
	const call = `{"type":"tool_use","id":"c","name":"n","input":{}}`
	tests := map[string]struct{ request, code, param string }{
		"top_k":               {with(`,"top_k":5`), "unsupported_parameter", "top_k"},
		"container":           {with(`,"container":"c"`), "unsupported_parameter", "container"},
		"MCP":                 {with(`,"mcp_servers":[{}]`), "unsupported_parameter", "mcp_servers"},
		"place":               {with(`,"inference_geo":"us"`), "unsupported_parameter", "inference_geo"},
		"results cleared":     {with(`,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"},{"type":"clear_tool_uses_20250919"}]}`), "unsupported_parameter", "context_management.edits[1]"},
		"an edit of no type":  {with(`,"context_management":{"edits":[{}]}`), "unsupported_parameter", "context_management.edits[0]"},
		"no edit":             {with(`,"context_management":{"edits":[5]}`), "invalid_request", "context_management.edits[0]"},
		"unknown in editing":  {with(`,"context_management":{"edits":[],"x":1}`), "unknown_parameter", "context_management.x"},
		"unknown in an edit":  {with(`,"context_management":{"edits":[{"type":"clear_thinking_20251015","x":1}]}`), "unknown_parameter", "context_management.edits[0].x"},
		"speed":               {with(`,"speed":"fast"`), "unsupported_parameter", "speed"},
		"thinking":            {with(`,"thinking":{"type":"much"}`), "unsupported_parameter", "thinking"},
		"format":              {with(`,"output_config":{"format":{"type":"xml"}}`), "unsupported_parameter", "output_config.format"},
		"server tool":         {with(`,"tools":[` + tool + `,{"type":"web_search_20250305","name":"web_search"}]`), "unsupported_parameter", "tools[1]"},
		"choice":              {with(`,"tool_choice":{"type":"some"}`), "unsupported_parameter", "tool_choice"},
		"document":            {block("user", `{"type":"document","source":{}}`), "unsupported_parameter", "messages[0].content[0]"},
		"image of a file":     {block("user", `{"type":"image","source":{"type":"file","file_id":"f"}}`), "unsupported_parameter", "messages[0].content[0].source"},
		"call of a user":      {block("user", call), "unsupported_parameter", "messages[0].content[0]"},
		"result of the model": {block("assistant", `{"type":"tool_result","tool_use_id":"c"}`), "unsupported_parameter", "messages[0].content[0]"},
		"call in a result":    {block("user", `{"type":"tool_result","tool_use_id":"c","content":[`+call+`]}`), "unsupported_parameter", "messages[0].content[0].content[0]"},
		"call in system":      {with(`,"system":[` + call + `]`), "unsupported_parameter", "system[0]"},
		"result in system":    {with(`,"system":[{"type":"tool_result","tool_use_id":"c"}]`), "unsupported_parameter", "system[0]"},
		"call of a system":    {block("system", call), "unsupported_parameter", "messages[0].content[0]"},
		"role":                {block("tool", `{"type":"text","text":"x"}`), "unsupported_parameter", "messages[0].role"},
		"unknown":             {with(`,"novelty":"x"`), "unknown_parameter", "novelty"},
		"unknown in a turn":   {turns(`{"role":"user","content":"x","name":"n"}`), "unknown_parameter", "messages[0].name"},
		"unknown in a block":  {block("user", `{"type":"text","text":"x","more":"y"}`), "unknown_parameter", "messages[0].content[0].more"},
		"unknown in a source": {block("user", `{"type":"image","source":{"type":"url","url":"u","more":"y"}}`), "unknown_parameter", "messages[0].content[0].source.more"},
		"tool found later":    {with(`,"tools":[{"name":"n","input_schema":{},"defer_loading":true}]`), "unsupported_parameter", "tools[0].defer_loading"},
		"tool for programs":   {with(`,"tools":[{"name":"n","input_schema":{},"allowed_callers":["direct","code_execution_20250825"]}]`), "unsupported_parameter", "tools[0].allowed_callers[1]"},
		"tool with examples":  {with(`,"tools":[{"name":"n","input_schema":{},"input_examples":[{"a":1}]}]`), "unsupported_parameter", "tools[0].input_examples"},
		"unknown in a tool":   {with(`,"tools":[{"name":"n","input_schema":{},"x":true}]`), "unknown_parameter", "tools[0].x"},
		"unknown in a choice": {with(`,"tool_choice":{"type":"auto","x":1}`), "unknown_parameter", "tool_choice.x"},
		"unknown in thinking": {with(`,"thinking":{"type":"enabled","x":1}`), "unknown_parameter", "thinking.x"},
		"unknown in output":   {with(`,"output_config":{"x":1}`), "unknown_parameter", "output_config.x"},
		"no max_tokens":       {`{"model":"m","messages":[]}`, "invalid_request", "max_tokens"},
		"no messages":         {`{"model":"m","max_tokens":1}`, "invalid_request", "messages"},
		"no data":             {block("user", `{"type":"image","source":{"type":"base64","media_type":"image/png"}}`), "invalid_request", "messages[0].content[0].source.data"},
		"wrong kind":          {with(`,"stream":"yes"`), "invalid_request", "stream"},
		"duplicate":           {with(`,"model":"n"`), "invalid_json", "model"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialectrig.Answering("application/json", whole)
			_, _, err := answer(t, c, test.request)
			dialectrig.WantCode(t, err, http.StatusBadRequest, test.code, test.param)
			if c.Request != nil {
				t.Errorf("sent %s", c.Sent)
			}
		})
	}
}

// A refusal is of use if it says what to do.
func TestARefusalNamesTheNextStep(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		with(`,"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}`):       "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1",
		with(`,"tools":[{"name":"n","input_schema":{},"defer_loading":true}]`):              "leave it out",
		with(`,"tools":[{"name":"n","input_schema":{},"allowed_callers":["programs"]}]`):    "allow direct alone",
		with(`,"tools":[{"name":"n","input_schema":{},"input_examples":[{}]}]`):             "the tool's description",
		turns(`{"role":"user","content":[{"type":"document","source":{"type":"base64"}}]}`): "in a block of type text",
		turns(`{"role":"user","content":5}`):                                                "must be a string or an array",
	} {
		_, _, err := answer(t, dialectrig.Answering("application/json", whole), request)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", request, err, want)
		}
	}
}

func TestHeadersBecomeThoseOfAChat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ authorization, key, want string }{
		"its own key":     {"", "sk-1", "Bearer sk-1"},
		"a token":         {"Bearer t", "", "Bearer t"},
		"a token and key": {"Bearer t", "sk-1", "Bearer t"},
		"none":            {"", "", ""},
	} {
		c := dialectrig.Answering("application/json", whole)
		req := post(exchange.With(t.Context(), new(exchange.Record)), t, with(""))
		req.URL.RawQuery = "beta=true"
		for header, value := range map[string]string{"Authorization": test.authorization, "X-Api-Key": test.key, "Anthropic-Version": "2023-06-01", "Anthropic-Beta": "b", "X-Other": "o"} {
			if value != "" {
				req.Header.Set(header, value)
			}
		}
		resp, err := transport(c).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		h := c.Request.Header
		if h.Get("Authorization") != test.want || h["X-Api-Key"] != nil || h["Anthropic-Version"] != nil || h["Anthropic-Beta"] != nil || h.Get("X-Other") != "o" || c.Request.URL.RawQuery != "" {
			t.Errorf("%s: sent %v to %v", name, h, c.Request.URL)
		}
		if req.Header.Get("Anthropic-Version") == "" {
			t.Errorf("%s: the application's own request was changed", name)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	tests := []struct{ method, path, is string }{
		{http.MethodPost, "/messages", "a chat"},
		{http.MethodPost, "/v1/messages", "a chat"},
		{http.MethodGet, "/messages", "refused"},
		{http.MethodPost, "/messages/count_tokens", "refused"},
		{http.MethodPost, "/v1/messages/batches", "refused"},
		{http.MethodPost, "/messages2", "passed"},
		{http.MethodPost, "/chat/completions", "passed"},
	}
	for _, test := range tests {
		t.Run(test.method+test.path, func(t *testing.T) {
			t.Parallel()
			c := dialectrig.Answering("application/json", whole)
			req := post(t.Context(), t, with(""))
			req.Method, req.URL.Path = test.method, base+test.path
			resp, err := transport(c).RoundTrip(req)
			switch {
			case test.is == "refused":
				dialectrig.WantCode(t, err, http.StatusBadRequest, "endpoint_not_sealable", "")
				return
			case err != nil:
				t.Fatal(err)
			case (c.Request == req) != (test.is == "passed"):
				t.Errorf("sent to %s", c.Request.URL.Path)
			}
			_ = resp.Body.Close()
		})
	}
}

// FuzzRequest: whatever comes in, what goes out is strict JSON of a chat.
func FuzzRequest(f *testing.F) {
	f.Add(turns(`{"role":"user","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"n","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"o"}]}`))
	f.Add(with(`,"system":"s","tools":[` + tool + `],"tool_choice":{"type":"tool","name":"f"},"output_config":{"format":{"type":"json_schema","schema":{}}},"thinking":{"type":"enabled"}`))
	f.Fuzz(func(t *testing.T, request string) {
		c := dialectrig.Answering("application/json", whole)
		_, reply, err := answer(t, c, request)
		if c.Request == nil {
			if err == nil {
				t.Error("neither sent nor refused")
			}
			return
		}
		if err := rewrite.Scan([]byte(c.Sent), nil, nil); err != nil {
			t.Errorf("sent %s: %v", c.Sent, err)
		}
		if err == nil && !json.Valid([]byte(reply)) {
			t.Errorf("replied %s", reply)
		}
	})
}

// A refusal names what the application sent, and so no member that only the chat has.
func TestARefusalNamesWhereAContentStands(t *testing.T) {
	t.Parallel()
	const request = `{"model":"m","max_tokens":1,"system":"s","messages":[{"role":"user","content":"a"},` +
		`{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"b"}]}]}`
	for param, want := range map[string]string{
		"messages[0].content":                     "system",
		"messages[0].role":                        "system",
		"messages[1].content":                     "messages[0].content",
		"messages[1].role":                        "messages[0].role",
		"messages[2].tool_calls[0].function.name": "messages[1].content[0].name",
		"messages[3].content":                     "messages[2].content[0].content",
		"messages[3].tool_call_id":                "messages[2].content[0].tool_use_id",
	} {
		_, _, err := answer(t, &dialectrig.Chats{Refuse: apierror.BadRequest("unsealable_content", param, param+": no.")}, request)
		dialectrig.WantCode(t, err, http.StatusBadRequest, "unsealable_content", want)
	}
}

// A type may hold text, and a message may be logged.
func TestALongTypeIsInNoMessage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 50)
	for _, body := range []string{
		`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"` + long + `"}]}]}`,
		`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}],"tools":[{"type":"` + long + `"}]}`,
	} {
		_, _, err := answer(t, dialectrig.Answering("application/json", `{}`), body)
		if err == nil || strings.Contains(err.Error(), long) || !strings.Contains(err.Error(), `of type "…"`) {
			t.Errorf("got %v", err)
		}
	}
}
