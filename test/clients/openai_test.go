package clients_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const chatPath = "/api/v3/chat/completions"

// answer is what a program printed for one request.
type answer struct {
	ID      string   `json:"id"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   []int    `json:"usage"` // prompt, completion, total
	Chunks  int      `json:"chunks"`

	Error *struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	} `json:"error,omitempty"`
}

type choice struct {
	Text         string `json:"text"`
	FinishReason string `json:"finish_reason"`
	Tools        []tool `json:"tools"`
}

type tool struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

func (a answer) String() string {
	text, _ := json.Marshal(a) // strings and numbers always marshal
	return string(text)
}

// requests are the chats that each program has, each once whole and once
// streamed.
func requests(t *testing.T) []json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	for _, text := range []string{
		`{"messages":[{"role":"system","content":"You are brief."},{"role":"user","content":"你好，世界 🙂 \"quoted\"\nand a second line"}]}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`,
		`{"n":3,"temperature":0.5,"messages":[{"role":"user","content":"thrice"},{"role":"assistant","content":"what?"},{"role":"user","content":""},{"role":"user","content":"three times"}]}`,
		`{"max_tokens":4,"messages":[{"role":"user","content":"one two three four five six"}]}`,
		`{"tool_choice":"required","messages":[{"role":"user","content":"the weather in 北京"}],"tools":[{"type":"function","function":{"name":"weather","description":"the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]}`,
	} {
		for _, stream := range []bool{false, true} {
			var request map[string]any
			if err := json.Unmarshal([]byte(text), &request); err != nil {
				t.Fatal(err)
			}
			request["model"] = "ep-20250101000000-abcde"
			if stream {
				request["stream"] = true
				request["stream_options"] = map[string]any{"include_usage": true}
			}
			all = append(all, marshal(t, request))
		}
	}
	return all
}

// program is an application.
type program struct {
	name    string
	command func(t *testing.T) []string
	doors   []string // as the log names them: how it comes in by HTTP_PROXY, HTTPS_PROXY and a base URL
}

func programs() []program {
	return []program{
		{
			name:    "openai for Python",
			command: func(t *testing.T) []string { t.Helper(); return python(t, "python/openai_chat.py") },
			doors:   []string{"absolute", "connect-tls", "base-url"},
		},
		{
			name:    "openai for Node",
			command: func(t *testing.T) []string { t.Helper(); return node(t, "node/chat.cjs") },
			doors:   []string{"connect-plain", "connect-tls", "base-url"},
		},
		{
			name:    "openai-go",
			command: func(*testing.T) []string { return []string{built.openaiGo} },
			doors:   []string{"absolute", "connect-tls", "base-url"},
		},
	}
}

// TestSDKsSeeNoDifference has every SDK talk, through every door of the sidecar,
// to an enclave that takes sealed requests only, and compares with what the same
// program sees when it talks straight to an enclave in clear. The echo backend's
// id is a digest of the request, so equal ids mean that it got the same bytes.
func TestSDKsSeeNoDifference(t *testing.T) {
	t.Parallel()
	inClear := startEnclave(t, "--accept-plaintext")
	sealing := startEnclave(t, "--joined-replies") // the harder form; TestVendorOpensWhatTheSidecarSeals has the other
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			command := p.command(t)
			var want []answer
			output(t, command, inClear.direct(t), requests(t), &want)
			plausible(t, want)

			side := startSidecar(t, sealing)
			for _, d := range side.doors {
				var got []answer
				output(t, command, d.env, requests(t), &got)
				compare(t, d.name, got, want)
			}
			chats := len(want) * len(side.doors)
			if got, want := side.count(t, chatPath, "treatment", chats), map[string]int{"sealed": chats}; !maps.Equal(got, want) {
				t.Errorf("the sidecar treated the chats as %v, want %v", got, want)
			}
			for door, n := range side.count(t, chatPath, "door", chats) {
				if !slices.Contains(p.doors, door) || n != len(want) {
					t.Errorf("%d chats came in by %s, want %d by each of %v", n, door, len(want), p.doors)
				}
			}
		})
	}
}

// TestSealedChatsAreRequired shows that the enclave above would have refused
// what was not sealed.
func TestSealedChatsAreRequired(t *testing.T) {
	t.Parallel()
	sealing := startEnclave(t)
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var got []answer
			output(t, p.command(t), sealing.direct(t), requests(t), &got)
			for _, a := range got {
				if a.Error == nil || a.Error.Status != 400 {
					t.Errorf("a chat in clear got %v, want status 400", a)
				}
			}
		})
	}
}

// plausible sees that the reference is a real one.
func plausible(t *testing.T, answers []answer) {
	t.Helper()
	for i, a := range answers {
		if a.Error != nil || a.ID == "" || len(a.Choices) == 0 || len(a.Usage) != 3 {
			t.Fatalf("chat %d in clear: %v", i, a)
		}
		if streamed := i%2 == 1; streamed != (a.Chunks > 0) {
			t.Errorf("chat %d in clear: %d chunks", i, a.Chunks)
		}
	}
	first, last := answers[0].Choices[0], answers[len(answers)-1].Choices[0]
	if !strings.Contains(first.Text, "你好，世界 🙂 \"quoted\"\nand a second line") {
		t.Errorf("the echo in clear says %q", first.Text)
	}
	if len(last.Tools) != 1 || last.Tools[0].Name != "weather" {
		t.Errorf("the echo in clear calls %v", last.Tools)
	}
}

func compare(t *testing.T, how string, got, want []answer) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d answers, want %d", how, len(got), len(want))
	}
	for i := range got {
		if want[i].Error != nil {
			t.Errorf("%s, chat %d: the reference is a refusal: %v", how, i, want[i])
		}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s, chat %d:\n got %v\nwant %v", how, i, got[i], want[i])
		}
	}
}
