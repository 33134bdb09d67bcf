package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/enclave"
)

// callingWithCanaries is a chat in which every place that has to do with tools
// holds the canary.
func callingWithCanaries(stream bool, last string) string {
	return fmt.Sprintf(`{"model":"ep-1","stream":%t,"tool_choice":{"type":"function","function":{"name":"canary_weather"}},"messages":[
		{"role":"user","content":"canary one"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"canary_time","arguments":"{\"canary\":\"canary\"}"}}]},
		{"role":"tool","tool_call_id":"call_1","content":"canary noon"},
		%s],
		"tools":[
		{"type":"function","function":{"name":"canary_time","description":"canary"}},
		{"type":"function","function":{"name":"canary_weather","description":"canary","parameters":{"type":"object","required":["canary"],"properties":{"canary":{"type":"string","description":"canary"}}}}}],
		"parallel_tool_calls":false}`, stream, last)
}

// Under strict, function calling leaves nothing in clear, in either direction,
// and the application sees the calls of the API.
func TestT26_WithMoveToolsFunctionCallingLeavesNothingInClear(t *testing.T) {
	t.Parallel()
	backend := new(lines)
	p := startPair(t, enclave.Options{TapBackend: recording(backend)}, byAPIKey+"    strict: true\n    move_tools: true\n", "")
	p.wire.Guard(t, "canary")
	p.wire.Guard(t, "tool_call") // the mark of the form
	for _, stream := range []bool{false, true} {
		got := p.call(t, http.MethodPost, "/chat/completions", p.key, callingWithCanaries(stream, `{"role":"user","content":"canary \"rain\" 雨"}`))
		if got.status != 200 || got.err != nil || got.header.Get("X-Sealcar-Plaintext") != "" || got.header.Get("X-Sealcar-Reply-Plaintext") != "" {
			t.Fatalf("stream %t: got %d %v: %s", stream, got.status, got.header, got.body)
		}
		for _, want := range []string{`"name":"canary_weather"`, `"arguments":"{\"canary\":\"canary \\\"rain\\\" 雨\"}"`, `"finish_reason":"tool_calls"`} {
			if !strings.Contains(got.body, want) {
				t.Errorf("stream %t: %s is not in %s", stream, want, got.body)
			}
		}
		got = p.call(t, http.MethodPost, "/chat/completions", p.key, callingWithCanaries(stream, `{"role":"tool","tool_call_id":"x","content":"canary sun"}`))
		if got.status != 200 || got.text() != "The tool said: canary sun" {
			t.Errorf("stream %t: got %d: %s", stream, got.status, got.body)
		}
	}
	if n := backend.count("canary_weather", "call_1", "canary noon"); n != 4 {
		t.Errorf("%d requests came to the model with their tools, want 4", n)
	}
}

func TestWithoutMoveToolsStrictRefusesTools(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey+"    strict: true\n", "")
	if got := p.call(t, http.MethodPost, "/chat/completions", p.key, callingWithCanaries(false, `{"role":"user","content":"x"}`)); got.status != 400 || got.code() != "unsealable_field" && got.code() != "unsealable_content" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// What cannot be moved is refused by its place, and what does not read is refused
// by the seal.
func TestToolsThatCannotBeMovedAreRefused(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey+"    move_tools: true\n", "")
	for members, want := range map[string]string{
		`"tools":[{"type":"custom","custom":{"name":"a"}}],`: `"param":"tools[0]","code"`,
		`"Tools":[],`: `"code":"invalid_json"`,
		`"tools":[],"tools":[{"type":"function","function":{"name":"a"}}],`: `"code":"invalid_json"`,
	} {
		got := p.chat(t, p.key, members, "x")
		var e struct{ Error struct{ Code, Param string } }
		if err := json.Unmarshal([]byte(got.body), &e); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf(`"param":"%s","code":"%s"`, e.Error.Param, e.Error.Code); got.status != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: got %d %s", members, got.status, got.body)
		}
	}
	if n := p.calls.count(chats); n > 0 {
		t.Errorf("%d chats were sent", n)
	}
}

// recording keeps what comes to the model, a line for each request.
func recording(log *lines) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			_, _ = fmt.Fprintln(log, strings.ReplaceAll(string(body), "\n", " "))
			return next.RoundTrip(r)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
