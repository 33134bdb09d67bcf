package responses_test

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
	whole = `{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"ep-1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`
	tool  = `{"type":"function","name":"f","description":"d","parameters":{"n":1.50},"strict":true}`
)

func TestRequestBecomesAChat(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ request, chat string }{
		"a string": {`{"model":"m","input":"hi <b>& \u4f60"}`, `{"model":"m","messages":[{"role":"user","content":"hi <b>& \u4f60"}]}`},
		"instructions come first": {
			`{"model":"m","instructions":"be brief","input":[{"role":"developer","content":"d"},{"role":"user","content":"u"}]}`,
			`{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"system","content":"d"},{"role":"user","content":"u"}]}`,
		},
		"parts": {
			`{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"low"},{"type":"input_image","image_url":"https://example.com/a.png","file_id":null}]}]}`,
			`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`,
		},
		"what the model said": {
			`{"model":"m","input":[{"id":"msg_1","type":"message","role":"assistant","status":"completed","phase":"final_answer","content":[{"type":"output_text","text":"a","annotations":[{"x":1}],"logprobs":[]}]},{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]}`,
			`{"model":"m","messages":[{"role":"assistant","content":"a"},{"role":"assistant","content":"no"}]}`,
		},
		"calls and what they gave": {
			`{"model":"m","input":[{"role":"user","content":"u"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},{"role":"assistant","content":"wait"},{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}","status":"completed"},{"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"one"},{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},{"type":"function_call","call_id":"c3","name":"f","arguments":"{}"}]}`,
			`{"model":"m","messages":[{"role":"user","content":"u"},{"role":"assistant","content":"wait","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","content":"one","tool_call_id":"c1"},{"role":"tool","content":"two","tool_call_id":"c2"},{"role":"assistant","content":null,"tool_calls":[{"id":"c3","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`,
		},
		"tools": {
			`{"model":"m","input":"u","tools":[` + tool + `],"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false}`,
			`{"model":"m","messages":[{"role":"user","content":"u"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"n":1.50},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`,
		},
		"the form of the answer": {
			`{"model":"m","input":"u","tool_choice":"none","text":{"verbosity":"low","format":{"type":"json_schema","name":"n","description":"d","schema":{"a":9007199254740993},"strict":true}}}`,
			`{"model":"m","messages":[{"role":"user","content":"u"}],"tool_choice":"none","response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a":9007199254740993},"strict":true}},"verbosity":"low"}`,
		},
		"text and JSON": {`{"model":"m","input":"u","text":{"format":{"type":"text"}}}`, `{"model":"m","messages":[{"role":"user","content":"u"}]}`},
		"any JSON":      {`{"model":"m","input":"u","text":{"format":{"type":"json_object"}}}`, `{"model":"m","messages":[{"role":"user","content":"u"}],"response_format":{"type":"json_object"}}`},
		"parameters": {
			`{"model":"m","input":"u","temperature":0.70,"top_p":1e0,"max_output_tokens":7,"service_tier":"auto","user":"u1","safety_identifier":"s","prompt_cache_key":"k","reasoning":{"effort":"low","summary":"auto"},"stream":true}`,
			`{"model":"m","messages":[{"role":"user","content":"u"}],"max_tokens":7,"temperature":0.70,"top_p":1e0,"reasoning_effort":"low","service_tier":"auto","user":"u1","safety_identifier":"s","prompt_cache_key":"k","stream":true,"stream_options":{"include_usage":true}}`,
		},
		"what Ark has beside": {
			`{"model":"m","input":"u","thinking":{"type":"disabled"},"caching":{"type":"disabled","prefix":false},"expire_at":1764000000}`,
			`{"model":"m","messages":[{"role":"user","content":"u"}],"thinking":{"type":"disabled"}}`,
		},
		"what is left out, and what says nothing": {
			`{"model":"m","input":"u","metadata":{"a":"b"},"client_metadata":{"x-codex-installation-id":"i"},"store":true,"truncation":"disabled","include":["reasoning.encrypted_content"],"max_tool_calls":3,"stream_options":{"include_obfuscation":true},"previous_response_id":null,"background":false,"conversation":null,"top_logprobs":0,"novelty":[],"stream":false,"temperature":null}`,
			`{"model":"m","messages":[{"role":"user","content":"u"}]}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, body := "application/json", whole
			if strings.Contains(test.request, `"stream":true`) {
				kind, body = "text/event-stream", "data: [DONE]\n\n"
			}
			c := dialectrig.Answering(kind, body)
			if _, _, err := answer(t, c, test.request); err != nil && kind == "application/json" {
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
	with := func(members string) string { return `{"model":"m","input":"u",` + members + `}` }
	item := func(item string) string { return `{"model":"m","input":[{"role":"user","content":"u"},` + item + `]}` }
	part := func(part string) string { return item(`{"role":"user","content":[` + part + `]}`) }
	tests := map[string]struct{ request, code, param string }{
		"stored response":      {with(`"previous_response_id":"resp_1"`), "unsupported_parameter", "previous_response_id"},
		"conversation":         {with(`"conversation":{"id":"c"}`), "unsupported_parameter", "conversation"},
		"prompt":               {with(`"prompt":{"id":"p"}`), "unsupported_parameter", "prompt"},
		"background":           {with(`"background":true`), "unsupported_parameter", "background"},
		"truncation":           {with(`"truncation":"auto"`), "unsupported_parameter", "truncation"},
		"log probabilities":    {with(`"top_logprobs":2`), "unsupported_parameter", "top_logprobs"},
		"include":              {with(`"include":["reasoning.encrypted_content","message.output_text.logprobs"]`), "unsupported_parameter", "include[1]"},
		"web search":           {with(`"tools":[` + tool + `,{"type":"web_search"}]`), "unsupported_parameter", "tools[1]"},
		"custom tool":          {with(`"tools":[{"type":"custom","name":"n"}]`), "unsupported_parameter", "tools[0]"},
		"hosted choice":        {with(`"tool_choice":{"type":"file_search"}`), "unsupported_parameter", "tool_choice"},
		"text format":          {with(`"text":{"format":{"type":"grammar"}}`), "unsupported_parameter", "text.format"},
		"item reference":       {item(`{"type":"item_reference","id":"x"}`), "reference_unknown", "input[1].id"},
		"caching":              {`{"model":"m","input":"u","caching":{"type":"enabled"}}`, "unsupported_parameter", "caching"},
		"other thinking":       {`{"model":"m","input":"u","thinking":{"type":"much"}}`, "unsupported_parameter", "thinking"},
		"budget of thinking":   {`{"model":"m","input":"u","thinking":{"type":"enabled","more":1}}`, "unknown_parameter", "thinking.more"},
		"reference to nothing": {item(`{"type":"item_reference"}`), "invalid_request", "input[1].id"},
		"other item":           {item(`{"type":"computer_call","id":"x"}`), "unsupported_parameter", "input[1]"},
		"other role":           {item(`{"role":"tool","content":"x"}`), "unsupported_parameter", "input[1].role"},
		"file":                 {part(`{"type":"input_file","file_data":"x"}`), "unsupported_parameter", "input[1].content[0]"},
		"audio":                {part(`{"type":"input_audio","input_audio":{}}`), "unsupported_parameter", "input[1].content[0]"},
		"image of a file":      {part(`{"type":"input_image","file_id":"file_1"}`), "unsupported_parameter", "input[1].content[0].file_id"},
		"unknown":              {with(`"novelty":"x"`), "unknown_parameter", "novelty"},
		"unknown, other case":  {with(`"Model":"x"`), "unknown_parameter", "Model"},
		"unknown, odd name":    {with(`"a b":1`), "unknown_parameter", `["a b"]`},
		"unknown in an item":   {item(`{"role":"user","content":"x","name":"n"}`), "unknown_parameter", "input[1].name"},
		"unknown in a part":    {part(`{"type":"input_text","text":"x","more":"y"}`), "unknown_parameter", "input[1].content[0].more"},
		"tool found later":     {with(`"tools":[{"type":"function","name":"n","defer_loading":true}]`), "unsupported_parameter", "tools[0].defer_loading"},
		"unknown in a tool":    {with(`"tools":[{"type":"function","name":"n","x":true}]`), "unknown_parameter", "tools[0].x"},
		"unknown in a choice":  {with(`"tool_choice":{"type":"function","name":"n","x":1}`), "unknown_parameter", "tool_choice.x"},
		"unknown in text":      {with(`"text":{"x":1}`), "unknown_parameter", "text.x"},
		"unknown in a format":  {with(`"text":{"format":{"type":"json_object","x":1}}`), "unknown_parameter", "text.format.x"},
		"unknown in reasoning": {with(`"reasoning":{"x":1}`), "unknown_parameter", "reasoning.x"},
		"unknown in a call":    {item(`{"type":"function_call","call_id":"c","name":"n","arguments":"","x":1}`), "unknown_parameter", "input[1].x"},
		"deep, and unknown":    {with(`"tools":[{"type":"function","name":"n","x":` + strings.Repeat("[", 9990) + "1" + strings.Repeat("]", 9990) + `}]`), "unknown_parameter", "tools[0].x"},
		"too deep":             {with(`"metadata":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), "invalid_json", "*"},
		"no input":             {`{"model":"m"}`, "invalid_request", "input"},
		"no model":             {`{"input":"u"}`, "invalid_request", "model"},
		"no content":           {item(`{"role":"user"}`), "invalid_request", "input[1].content"},
		"no call":              {item(`{"type":"function_call_output","output":"x"}`), "invalid_request", "input[1].call_id"},
		"wrong kind":           {with(`"temperature":"hot"`), "invalid_request", "temperature"},
		"an item of text":      {item(`"x"`), "invalid_request", "input[1]"},
		"not an object":        {`[]`, "invalid_request", ""},
		"duplicate":            {with(`"input":"v"`), "invalid_json", "input"},
		"no JSON":              {`{`, "invalid_json", ""},
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
		`{"model":"m","input":"u","tools":[{"type":"function","name":"n","defer_loading":true}]}`:       "leave it out",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_data":"data:"}]}]}`: "in a part of type input_text",
		`{"model":"m","input":[{"role":"user","content":5}]}`:                                           "must be a string or an array",
		`{"model":"m","input":5}`:                   "must be a string or an array",
		`{"model":"m","input":"u","tool_choice":5}`: "must be a string or an object",
	} {
		_, _, err := answer(t, dialectrig.Answering("application/json", whole), request)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", request, err, want)
		}
	}
}

func TestHeadersThatATranslationCannotKeepAreRefused(t *testing.T) {
	t.Parallel()
	for header, code := range map[string]string{"X-Session-Token": "invalid_session_token", "Content-Encoding": "unsupported_content_encoding"} {
		c := dialectrig.Answering("application/json", whole)
		record := &exchange.Record{Treatment: exchange.Sealed}
		req := post(exchange.With(t.Context(), record), t, `{"model":"m","input":"u"}`)
		req.Header.Set(header, "x")
		_, err := transport(c).RoundTrip(req)
		dialectrig.WantCode(t, err, http.StatusBadRequest, code, header)
		if c.Request != nil || record.Treatment != exchange.Refused || record.Endpoint != base+"/responses" {
			t.Errorf("%s: record %+v", header, record)
		}
	}
}

// A policy judges the chat, so its paths are the chat's; the application has the
// same things elsewhere.
func TestARefusalOfTheChatNamesThePlaceInTheRequest(t *testing.T) {
	t.Parallel()
	const request = `{"model":"m","instructions":"i","tools":[{"type":"function","name":"f"}],"input":[` +
		`{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:","detail":"low"}]},` +
		`{"type":"reasoning","id":"rs_1"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call","call_id":"d","name":"f","arguments":"{}"},` +
		`{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]}]}`
	for param, want := range map[string]string{
		"messages":                                     "input",
		"messages[1].content[1].image_url.url":         "input[0].content[1].image_url",
		"messages[1].content[1].image_url.detail":      "input[0].content[1].detail",
		"messages[0]":                                  "instructions",
		"messages[0].role":                             "instructions",
		"messages[0].content":                          "instructions",
		"messages[1].role":                             "input[0].role",
		"messages[1].content":                          "input[0].content",
		"messages[2].tool_calls[1].id":                 "input[3].call_id",
		"messages[2].tool_calls[0].function.arguments": "input[2].arguments",
		"messages[3].tool_call_id":                     "input[4].call_id",
		"messages[3].content":                          "input[4].output",
		"messages[3].content[1]":                       "input[4].output[1]",
		"tools[0].function.parameters":                 "tools[0].parameters",
		"tool_choice.function.name":                    "tool_choice.name",
		"response_format.json_schema.schema":           "text.format.schema",
		"max_tokens":                                   "max_output_tokens",
		"reasoning_effort":                             "reasoning.effort",
		"verbosity":                                    "text.verbosity",
		"verbosity_of_all":                             "verbosity_of_all",
		"user":                                         "user",
		"Authorization":                                "Authorization",
		"":                                             "",
	} {
		c := &dialectrig.Chats{Refuse: apierror.BadRequest("unsealable_content", param, param+": no.")}
		_, _, err := answer(t, c, request)
		dialectrig.WantCode(t, err, http.StatusBadRequest, "unsealable_content", want)
		says := "unsealable_content: " + want + ": no."
		if want != param {
			says += " (" + param + " is its place in the chat that the request became, by which the route's settings go.)"
		}
		if err.Error() != says {
			t.Errorf("at %q: %v, want %s", param, err, says)
		}
	}
}

// Only what the policy refuses can be let through by a setting.
func TestARefusalThatNoSettingLiftsNamesNone(t *testing.T) {
	t.Parallel()
	c := &dialectrig.Chats{Refuse: apierror.BadRequest("invalid_request", "messages[0].role", "messages[0].role: no.")}
	_, _, err := answer(t, c, `{"model":"m","input":[{"role":"user","content":"u"}]}`)
	if want := "invalid_request: input[0].role: no. (messages[0].role is its place in the chat that the request became.)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A text of its own is all that there is at its place.
func TestARefusalOfAnInputThatIsATextNamesIt(t *testing.T) {
	t.Parallel()
	for _, param := range []string{"messages[0]", "messages[0].role", "messages[0].content", "messages[0].content[0]"} {
		c := &dialectrig.Chats{Refuse: apierror.BadRequest("unsealable_content", param, param+": no.")}
		_, _, err := answer(t, c, `{"model":"m","input":"u"}`)
		dialectrig.WantCode(t, err, http.StatusBadRequest, "unsealable_content", "input")
	}
}

// What the translation has no place for keeps the chat's, which the message says.
func TestARefusalOfWhatTheRequestLacksSaysWhosePathItHas(t *testing.T) {
	t.Parallel()
	for _, param := range []string{"messages[2].content", "messages[0].content[7].text", "messages[0].tool_calls[0].id"} {
		c := &dialectrig.Chats{Refuse: apierror.BadRequest("unsealable_content", param, param+": no.")}
		_, _, err := answer(t, c, `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]}]}`)
		dialectrig.WantCode(t, err, http.StatusBadRequest, "unsealable_content", param)
		if !strings.HasSuffix(err.Error(), ": no. ("+param+" is its place in the chat that the request became, by which the route's settings go.)") {
			t.Errorf("at %q: %v", param, err)
		}
	}
}

func TestOtherEndpoints(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, path string
		stored       bool
	}{
		{http.MethodGet, "/responses/resp_1", true},
		{http.MethodDelete, "/responses/resp_1", true},
		{http.MethodPost, "/responses/resp_1/cancel", true},
		{http.MethodGet, "/responses/resp_1/input_items", true},
		{http.MethodGet, "/responses", false},
		{http.MethodPost, "/responses2", false},
		{http.MethodPost, "/chat/completions", false},
	}
	for _, test := range tests {
		t.Run(test.method+test.path, func(t *testing.T) {
			t.Parallel()
			c := dialectrig.Answering("application/json", whole)
			req := post(t.Context(), t, "{}")
			req.Method, req.URL.Path = test.method, base+test.path
			resp, err := transport(c).RoundTrip(req)
			if test.stored {
				dialectrig.WantCode(t, err, http.StatusNotFound, "not_stored", "")
				return
			}
			if err != nil || c.Request != req {
				t.Fatalf("not passed on as it is: %v", err)
			}
			_ = resp.Body.Close()
		})
	}
}

// A schema may be as deep as a document can be, although a chat has it deeper.
func TestT56_DeepSchemas(t *testing.T) {
	t.Parallel()
	schema := strings.Repeat(`{"a":`, 9995) + "1" + strings.Repeat("}", 9995)
	c := dialectrig.Answering("application/json", whole)
	_, reply, err := answer(t, c, `{"model":"m","input":"u","tools":[{"type":"function","name":"n","parameters":`+schema+`}]}`)
	if err != nil || !strings.Contains(c.Sent, schema) || !strings.Contains(reply, schema) {
		t.Errorf("%v: sent %d bytes", err, len(c.Sent))
	}
}

// FuzzRequest: whatever comes in, what goes out is strict JSON of a chat, and is
// the same when it comes in again.
func FuzzRequest(f *testing.F) {
	f.Add(`{"model":"m","instructions":"i","input":[{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:,"}]},{"type":"function_call","call_id":"c","name":"n","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}]}`)
	f.Add(`{"model":"m","input":"u","tools":[` + tool + `],"tool_choice":{"type":"function","name":"f"},"text":{"format":{"type":"json_schema","schema":{}}},"reasoning":{"effort":"low"},"metadata":{"a":"\u2028"}}`)
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
