package clients_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
)

// call is one call of another API than chat completions.
type call struct {
	API    string          `json:"api"`  // responses, messages
	Mode   string          `json:"mode"` // whole, events, helper
	Params json.RawMessage `json:"params"`
}

// called is what a program printed for one call.
type called struct {
	ID    string  `json:"id"`
	Model string  `json:"model"`
	End   string  `json:"end"`  // the status, or why it stopped
	Said  *string `json:"said"` // mode events: the pieces of the text
	Text  string  `json:"text"`
	Tools []tool  `json:"tools"`
	Usage []int   `json:"usage"` // input, output, sum

	Error *struct {
		Status    int    `json:"status"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	} `json:"error,omitempty"`
}

func (c called) String() string {
	text, _ := json.Marshal(c) // strings and numbers always marshal
	return string(text)
}

// conversation is the same chat in three APIs.
type conversation struct {
	chat, responses, messages string   // members of a request
	ends                      []string // of a response and of a message
}

const (
	weatherSchema = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`
	askWeather    = `{"role":"user","content":"the weather in 北京"}`
)

// conversations are those that every program has.
func conversations() []conversation {
	return []conversation{
		{
			`"messages":[{"role":"system","content":"You are brief."},{"role":"user","content":"你好，世界 🙂 \"quoted\"\nand a second line"}]`,
			`"instructions":"You are brief.","input":"你好，世界 🙂 \"quoted\"\nand a second line"`,
			`"system":"You are brief.","messages":[{"role":"user","content":"你好，世界 🙂 \"quoted\"\nand a second line"}]`,
			[]string{"completed", "end_turn"},
		},
		{
			`"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]`,
			`"input":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":[{"type":"input_text","text":"What is this?"},{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]`,
			`"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]`,
			[]string{"completed", "end_turn"},
		},
		{
			`"tool_choice":"required","messages":[` + askWeather + `],"tools":[{"type":"function","function":{"name":"weather","description":"the weather","parameters":` + weatherSchema + `}}]`,
			`"tool_choice":"required","input":[` + askWeather + `],"tools":[{"type":"function","name":"weather","description":"the weather","parameters":` + weatherSchema + `,"strict":true}]`,
			`"tool_choice":{"type":"any"},"messages":[` + askWeather + `],"tools":[{"name":"weather","description":"the weather","input_schema":` + weatherSchema + `}]`,
			[]string{"completed", "tool_use"},
		},
		{
			`"messages":[` + askWeather + `,{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"sunny in 北京"}]`,
			`"input":[` + askWeather + `,{"type":"function_call","call_id":"c1","name":"weather","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"sunny in 北京"}]`,
			`"messages":[` + askWeather + `,{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"sunny in 北京"}]}]`,
			[]string{"completed", "end_turn"},
		},
	}
}

// limited is an answer that the limit of tokens cuts off; the Responses helper of
// the SDKs takes such a stream for an error.
func limited() conversation {
	return conversation{
		`"max_tokens":4,"messages":[{"role":"user","content":"one two three four five six"}]`,
		`"max_output_tokens":4,"input":"one two three four five six"`,
		`"max_tokens":4,"messages":[{"role":"user","content":"one two three four five six"}]`,
		[]string{"incomplete", "max_tokens"},
	}
}

const someModel = `"model":"ep-20250101000000-abcde",`

// calls are the conversations in both APIs and every mode, with what each has to
// give: the index of the chat that is the same, and the end.
func calls() (list []call, chats []int, ends []string) {
	for i, c := range append(conversations(), limited()) {
		for j, members := range []string{c.responses, c.messages} {
			for _, mode := range []string{"whole", "events", "helper"} {
				api := []string{"responses", "messages"}[j]
				if c.ends[j] == "incomplete" && mode == "helper" {
					continue
				}
				if j == 1 && !strings.Contains(members, "max_tokens") {
					members = `"max_tokens":100,` + members
				}
				list = append(list, call{api, mode, json.RawMessage("{" + someModel + members + "}")})
				chats, ends = append(chats, i), append(ends, c.ends[j])
			}
		}
	}
	return list, chats, ends
}

// dialectPrograms are applications on SDKs of both APIs.
func dialectPrograms() []program {
	return []program{
		{name: "openai and anthropic for Python", command: func(t *testing.T) []string { t.Helper(); return python(t, "python/dialects.py") }},
		{name: "openai and anthropic for Node", command: func(t *testing.T) []string { t.Helper(); return node(t, "node/dialects.cjs") }},
		{name: "openai-go and anthropic-sdk-go", command: func(*testing.T) []string { return []string{built.dialectsGo} }},
	}
}

// TestOtherAPIsGiveWhatChatsGive has the SDKs call the Responses and the Messages
// API through every door of the sidecar, to an enclave that takes sealed chats
// only, and compares with the same conversations as chats in clear.
func TestOtherAPIsGiveWhatChatsGive(t *testing.T) {
	t.Parallel()
	inClear := startEnclave(t, "--accept-plaintext").direct(t)
	sealing := startEnclave(t)
	for _, p := range dialectPrograms() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			command := p.command(t)
			var chats []json.RawMessage
			for _, c := range append(conversations(), limited()) {
				chats = append(chats, json.RawMessage("{"+someModel+c.chat+"}"))
			}
			var want []answer
			output(t, []string{built.openaiGo}, inClear, chats, &want)
			list, same, ends := calls()
			side := startSidecar(t, sealing)
			for _, d := range side.doors {
				var got []called
				output(t, command, d.env, list, &got)
				for i, g := range got {
					how := fmt.Sprintf("%s, %s %s", d.name, list[i].API, list[i].Mode)
					compareCalled(t, how, g, want[same[i]], ends[i])
				}
			}
			sent := len(list) * len(side.doors)
			if got, want := side.count(t, chatPath, "treatment", sent), map[string]int{"sealed": sent}; !maps.Equal(got, want) {
				t.Errorf("the sidecar treated the calls as %v, want %v", got, want)
			}
		})
	}
}

func compareCalled(t *testing.T, how string, got called, want answer, end string) {
	t.Helper()
	c := want.Choices[0]
	if got.Error != nil || got.Text != c.Text || got.Model != want.Model || got.End != end || !reflect.DeepEqual(got.Usage, want.Usage) || !reflect.DeepEqual(got.Tools, c.Tools) {
		t.Errorf("%s:\n got %v\nwant %v, ended %s", how, got, want, end)
	}
	if got.Said != nil && *got.Said != got.Text {
		t.Errorf("%s: the pieces are %q, the whole is %q", how, *got.Said, got.Text)
	}
}

// TestOtherAPIsAreRefusedAsTheirSDKsExpect: each SDK sees the status, the code, and
// the id of the line in the sidecar's log.
func TestOtherAPIsAreRefusedAsTheirSDKsExpect(t *testing.T) {
	t.Parallel()
	side := startSidecar(t, startEnclave(t))
	for _, p := range dialectPrograms() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			refused := []call{
				{"responses", "whole", json.RawMessage("{" + someModel + `"input":"x","previous_response_id":"resp_1"}`)},
				{"responses", "events", json.RawMessage("{" + someModel + `"input":"x","tools":[{"type":"web_search"}]}`)},
				{"messages", "whole", json.RawMessage("{" + someModel + `"max_tokens":1,"messages":[{"role":"user","content":"hi"}],"container":"c"}`)},
				{"messages", "events", json.RawMessage("{" + someModel + `"max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}}]}]}`)},
			}
			var got []called
			output(t, p.command(t), side.doors[0].env, refused, &got)
			for i, g := range got {
				if g.Error == nil || g.Error.Status != 400 || g.Error.Code != "unsupported_parameter" {
					t.Fatalf("%s %s: got %v", refused[i].API, refused[i].Params, g)
				}
				side.Await(t, 1, "refusals with the id "+g.Error.RequestID, func(entry map[string]any) bool {
					return entry["id"] == g.Error.RequestID && entry["code"] == g.Error.Code
				})
			}
		})
	}
}

// raised tells whether a program that ended well had an error to print: the
// anthropic SDKs have an exception with the event's code, and the status that the
// stream began with.
func raised(t *testing.T, stdout []byte) bool {
	t.Helper()
	var got []called
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatal(err)
	}
	return len(got) == 1 && got[0].Error != nil
}

// TestT28_CutStreamsOfOtherAPIsAreErrors cuts the connection to the enclave in the
// middle of a stream.
func TestT28_CutStreamsOfOtherAPIsAreErrors(t *testing.T) {
	t.Parallel()
	enclave := startEnclave(t)
	enclave.addr = cutAfter(t, enclave.addr, 64<<10)
	cut := startSidecar(t, enclave)
	long := strings.Repeat("word ", 2000)
	for _, p := range dialectPrograms() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			command := p.command(t)
			for _, mode := range []string{"events", "helper"} {
				for api, members := range map[string]string{"responses": `"input":"` + long + `"`, "messages": `"max_tokens":9999,"messages":[{"role":"user","content":"` + long + `"}]`} {
					stdout, stderr, err := execute(t, command, cut.doors[2].env, []call{{api, mode, json.RawMessage("{" + someModel + members + "}")}})
					if err == nil && !raised(t, stdout) {
						t.Errorf("%s %s: the program took a cut stream for a whole one and printed %.300s…\n%s", api, mode, stdout, stderr)
					}
				}
			}
		})
	}
}

// TestToolRunnersOfAnthropicsSDKs: they ask for a thread kept by the API, and have
// to go on without one.
func TestToolRunnersOfAnthropicsSDKs(t *testing.T) {
	t.Parallel()
	side := startSidecar(t, startEnclave(t))
	for name, command := range map[string]func(t *testing.T) []string{
		"Python": func(t *testing.T) []string { t.Helper(); return python(t, "python/runner.py") },
		"Node":   func(t *testing.T) []string { t.Helper(); return node(t, "node/runner.cjs") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said []string
			output(t, command(t), side.doors[2].env, nil, &said)
			for _, text := range said {
				if !strings.Contains(text, "sunny in ") {
					t.Errorf("the model said %q in the end", said)
				}
			}
			if len(said) != 2 {
				t.Errorf("%d answers, want a whole one and a stream", len(said))
			}
		})
	}
}
