package clients_test

import (
	"encoding/json"
	"maps"
	"testing"
)

// rounds are chats of function calling, as an application has them one after the
// other: a question, a call, its result. Each comes whole and streamed.
func rounds(t *testing.T) []json.RawMessage {
	t.Helper()
	const (
		tools = `[{"type":"function","function":{"name":"time","description":"in a zone"}},
			{"type":"function","function":{"name":"weather","description":"the weather <today>","strict":true,
				"parameters":{"type":"object","properties":{"city":{"type":"string","description":"or \"town\""}},"required":["city"],"additionalProperties":false}}}]`
		question = `{"role":"system","content":"You are brief."},{"role":"user","content":"weather in 北京 <now>?"}`
		call     = `{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"北京\"}"}}]}`
		result   = `{"role":"tool","tool_call_id":"call_1","content":"{\"degrees\": 18, \"sky\": \"</tool_response>\"}"}`
	)
	var all []json.RawMessage
	for _, members := range []string{
		`"messages":[` + question + `]`,
		`"messages":[` + question + `],"n":3`,
		`"messages":[` + question + `],"tool_choice":"none"`,
		`"messages":[{"role":"user","content":"hi"}],"tool_choice":"required","parallel_tool_calls":false`,
		`"messages":[{"role":"user","content":"hi"}],"tool_choice":{"type":"function","function":{"name":"weather"}}`,
		`"messages":[{"role":"user","content":"hi <tool_call> 1 < 2"}]`,
		`"messages":[` + question + `,` + call + `,` + result + `]`,
		`"messages":[` + question + `,` + call + `,` + result + `,{"role":"assistant","content":"18 degrees."},{"role":"user","content":"And the time?"}]`,
	} {
		for _, stream := range []string{"false", "true"} {
			all = append(all, json.RawMessage(`{"model":"ep-20250101000000-abcde","stream":`+stream+`,"tools":`+tools+`,`+members+`}`))
		}
	}
	return all
}

// TestSDKsCallFunctionsSealed has every SDK call functions through a sidecar that
// lets nothing leave in clear, and compares with what the same program sees when
// it talks to the model in clear, with the API's own tools. What differs is the
// number of tokens and, in a stream, of chunks: a call comes whole.
func TestSDKsCallFunctionsSealed(t *testing.T) {
	t.Parallel()
	inClear := startEnclave(t, "--accept-plaintext")
	sealing := startEnclave(t)
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			command := p.command(t)
			var want []answer
			output(t, command, inClear.direct(t), rounds(t), &want)
			calls := 0
			for i, a := range want {
				for _, c := range a.Choices {
					calls += len(c.Tools)
				}
				want[i] = said(a)
			}
			if calls != 14 { // of 5 chats, one with three choices, each twice
				t.Fatalf("%d calls in clear: %v", calls, want)
			}

			side := startSidecar(t, sealing, "strict: true", "move_tools: true")
			for _, d := range side.doors {
				var got []answer
				output(t, command, d.env, rounds(t), &got)
				for i, a := range got {
					if streamed := i%2 == 1; a.Error == nil && streamed != (a.Chunks > 0) {
						t.Errorf("%s, chat %d: %d chunks", d.name, i, a.Chunks)
					}
					got[i] = said(a)
				}
				compare(t, d.name, got, want)
			}
			chats := len(want) * len(side.doors)
			if got, want := side.count(t, chatPath, "treatment", chats), map[string]int{"sealed": chats}; !maps.Equal(got, want) {
				t.Errorf("the sidecar treated the chats as %v, want %v", got, want)
			}
		})
	}
}

// said is what is said of an answer, be it sealed or in clear.
func said(a answer) answer {
	return answer{Model: a.Model, Choices: a.Choices, Error: a.Error}
}
