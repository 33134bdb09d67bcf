package enclave_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sealcar/enclave"
)

// chatReply is a chat.completion or chat.completion.chunk.
type chatReply struct {
	ID, Object, Model string
	Created           int64
	Choices           []struct {
		Index        int
		Message      said
		Delta        said
		FinishReason *string `json:"finish_reason"`
	}
	Usage *usage
}

type said struct {
	Role      string
	Content   *string
	ToolCalls []struct {
		ID, Type string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// outcome is what a client ends up with, streamed or not.
type outcome struct {
	id      string
	texts   []string // of the choices
	calls   []string // name(arguments) of the choices
	finish  []string
	usage   usage
	created int64
	chunks  int
}

func whole(t *testing.T, r reply) outcome {
	t.Helper()
	if r.StatusCode != http.StatusOK || r.err != nil {
		t.Fatalf("status %d, %v: %s", r.StatusCode, r.err, r.body)
	}
	c := decode[chatReply](t, r.body)
	if c.Object != "chat.completion" || c.Usage == nil {
		t.Fatalf("not a completion with its usage: %s", r.body)
	}
	o := outcome{id: c.ID, usage: *c.Usage, created: c.Created}
	for i, choice := range c.Choices {
		if choice.Index != i || choice.Message.Role != "assistant" {
			t.Errorf("choice %d: %+v", i, choice)
		}
		o.add(i, choice.Message, choice.FinishReason)
	}
	return o
}

// events are the data of a stream's events, without the closing [DONE].
func events(t *testing.T, r reply) []string {
	t.Helper()
	if r.StatusCode != http.StatusOK || r.err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("status %d, %v: %s", r.StatusCode, r.err, r.body)
	}
	text, ok := strings.CutSuffix(string(r.body), "data: [DONE]\n\n")
	if !ok {
		t.Fatalf("the stream does not end: %s", r.body)
	}
	var data []string
	for event := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		d, ok := strings.CutPrefix(event, "data: ")
		if !ok || strings.Contains(d, "\n") {
			t.Fatalf("event %q", event)
		}
		data = append(data, d)
	}
	return data
}

func streamed(t *testing.T, r reply) outcome {
	t.Helper()
	var o outcome
	for _, data := range events(t, r) {
		c := decode[chatReply](t, []byte(data))
		if c.Object != "chat.completion.chunk" || o.id != "" && o.id != c.ID {
			t.Errorf("chunk %s", data)
		}
		o.id, o.created = c.ID, c.Created
		if c.Usage != nil {
			o.usage = *c.Usage
		}
		o.chunks++
		for _, choice := range c.Choices {
			o.add(choice.Index, choice.Delta, choice.FinishReason)
		}
	}
	return o
}

func (o *outcome) add(i int, s said, finish *string) {
	for len(o.texts) <= i {
		o.texts, o.calls, o.finish = append(o.texts, ""), append(o.calls, ""), append(o.finish, "")
	}
	if s.Content != nil {
		o.texts[i] += *s.Content
	}
	for _, call := range s.ToolCalls {
		o.calls[i] += call.Function.Name + call.Function.Arguments
	}
	if finish != nil {
		o.finish[i] += *finish
	}
}

const weather = `"tools":[
	{"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{}}}},
	{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","required":["days","city"],
		"properties":{"days":{"type":"integer"},"city":{"type":"string"}}}}}]`

func TestEchoAnswers(t *testing.T) {
	t.Parallel()
	user := func(content string) string { return `"messages":[{"role":"user","content":` + content + `}]` }
	e := start(t, enclave.Options{AcceptPlaintext: true, Now: func() time.Time { return time.Unix(1800000000, 0) }})
	tests := map[string]struct {
		members string // of the request, without model and stream
		text    string
		call    string
		finish  string
		choices int
		usage   usage
	}{
		"a string":        {user(`"hello there"`), "You said: hello there", "", "stop", 1, usage{2, 4, 6}},
		"spaces are kept": {user(`" a\n\n b  c "`), "You said:  a\n\n b  c ", "", "stop", 1, usage{4, 6, 10}},
		"Chinese":         {user(`"你好 世界 😀"`), "You said: 你好 世界 😀", "", "stop", 1, usage{5, 7, 12}},
		"an empty string": {user(`""`), "You said: ", "", "stop", 1, usage{0, 3, 3}},
		"null":            {user(`null`), "You said: ", "", "stop", 1, usage{0, 3, 3}},
		"parts":           {user(`[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"is it?"}]`), "You said: what [image 3 bytes image/png] is it?", "", "stop", 1, usage{7, 9, 16}},
		"a linked image":  {user(`[{"type":"image_url","image_url":{"url":"https://host/x.png"}}]`), "You said: [image linked]", "", "stop", 1, usage{2, 4, 6}},
		"another part":    {user(`[{"type":"input_audio","input_audio":{"data":"AAAA"}}]`), "You said: [input_audio]", "", "stop", 1, usage{1, 3, 4}},
		"the last user":   {`"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"three"}]`, "You said: three", "", "stop", 1, usage{5, 3, 8}},
		"no user":         {`"messages":[{"role":"system","content":"alone"}]`, "You said: ", "", "stop", 1, usage{1, 3, 4}},
		"choices":         {user(`"hi"`) + `,"n":3`, "You said: hi", "", "stop", 3, usage{1, 9, 10}},
		"max_tokens":      {user(`"a b c"`) + `,"max_tokens":3`, "You said: a", "", "length", 1, usage{3, 3, 6}},
		"just enough":     {user(`"a b c"`) + `,"max_tokens":5`, "You said: a b c", "", "stop", 1, usage{3, 5, 8}},
		"max_completion":  {user(`"a b c"`) + `,"max_tokens":5,"max_completion_tokens":1,"n":2`, "You", "", "length", 2, usage{3, 2, 5}},
		"a tool named":    {user(`"call get_weather for Paris"`) + `,` + weather, "", `get_weather{"city":"call get_weather for Paris"}`, "tool_calls", 1, usage{4, 4, 8}},
		"no tool named":   {user(`"hello"`) + `,` + weather, "You said: hello", "", "stop", 1, usage{1, 3, 4}},
		"required":        {user(`"hello"`) + `,"tool_choice":"required",` + weather, "", "get_time{}", "tool_calls", 1, usage{1, 1, 2}},
		"forbidden":       {user(`"get_weather"`) + `,"tool_choice":"none",` + weather, "You said: get_weather", "", "stop", 1, usage{1, 3, 4}},
		"a function":      {user(`"hello"`) + `,"n":2,"tool_choice":{"type":"function","function":{"name":"get_weather"}},` + weather, "", `get_weather{"city":"hello"}`, "tool_calls", 2, usage{1, 2, 3}},
		"a tool's answer": {`"messages":[{"role":"user","content":"get_weather"},{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"1","content":"sunny"}],` + weather, "The tool said: sunny", "", "stop", 1, usage{2, 4, 6}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := outcome{
				texts:  slices.Repeat([]string{tc.text}, tc.choices),
				calls:  slices.Repeat([]string{tc.call}, tc.choices),
				finish: slices.Repeat([]string{tc.finish}, tc.choices),
				usage:  tc.usage,
			}
			check := func(kind string, got outcome) {
				if !slices.Equal(got.texts, want.texts) || !slices.Equal(got.calls, want.calls) || !slices.Equal(got.finish, want.finish) || got.usage != want.usage || got.created != 1800000000 {
					t.Errorf("%s: got %+v, want %+v", kind, got, want)
				}
			}
			check("whole", whole(t, e.post(t, chatPath, `{"model":"ep-1",`+tc.members+`}`)))
			got := streamed(t, e.post(t, chatPath, `{"model":"ep-1","stream":true,"stream_options":{"include_usage":true},`+tc.members+`}`))
			check("streamed", got)
			if chunks := tc.choices*2 + tc.usage.Completion + 1; got.chunks != chunks {
				t.Errorf("%d chunks, want %d: role, words, end, usage", got.chunks, chunks)
			}
		})
	}
}

func TestEchoIsDeterministic(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true})
	id := func(content string) string {
		return whole(t, e.post(t, chatPath, `{"model":"m","messages":[{"role":"user","content":"`+content+`"}]}`)).id
	}
	if a, again, b := id("a"), id("a"), id("b"); a != again || a == b || !strings.HasPrefix(a, "chatcmpl-") {
		t.Errorf("ids %s, %s and %s", a, again, b)
	}
}

func TestEchoStreamsChoicesInTurn(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true})
	var indexes []string
	for _, data := range events(t, e.post(t, chatPath, `{"model":"m","stream":true,"n":2,"messages":[{"role":"user","content":"hi"}]}`)) {
		c := decode[chatReply](t, []byte(data))
		if c.Usage != nil || len(c.Choices) != 1 {
			t.Errorf("chunk %s: usage was not asked for", data)
			continue
		}
		indexes = append(indexes, fmt.Sprint(c.Choices[0].Index))
	}
	if got := strings.Join(indexes, ""); got != "0101010101" {
		t.Errorf("indexes %s", got)
	}
}

func TestEchoWaitsBeforeEachWord(t *testing.T) {
	t.Parallel()
	const delay = 10 * time.Millisecond
	e := start(t, enclave.Options{AcceptPlaintext: true, EchoDelay: delay})
	begin := time.Now()
	events(t, e.post(t, chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if took := time.Since(begin); took < 3*delay { // a timer is never early
		t.Errorf("three words took %v", took)
	}
}

func TestEchoStopsWaitingForAClientThatIsGone(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true, EchoDelay: time.Hour})
	resp, err := e.client.Do(e.request(t, http.MethodPost, chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 4096)
	n, err := resp.Body.Read(first)
	if err != nil || !strings.Contains(string(first[:n]), `"role":"assistant"`) {
		t.Errorf("%v: %s", err, first[:n])
	}
	if err := resp.Body.Close(); err != nil { // ends the wait, or the stream would not drain
		t.Error(err)
	}
}

func TestEchoRefusesBadRequests(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{AcceptPlaintext: true})
	hi := `"messages":[{"role":"user","content":"hi"}]`
	for name, tc := range map[string]struct{ body, param string }{
		"no messages":     {`{"model":"m","messages":[]}`, "messages"},
		"no role":         {`{"model":"m","messages":[{"content":"hi"}]}`, "messages[0].role"},
		"n is 0":          {`{"model":"m","n":0,` + hi + `}`, "n"},
		"n is huge":       {`{"model":"m","n":129,` + hi + `}`, "n"},
		"n is a word":     {`{"model":"m","n":"two",` + hi + `}`, "n"},
		"no tokens":       {`{"model":"m","max_tokens":0,` + hi + `}`, "max_tokens"},
		"a broken image":  {`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,A"}}]}]}`, "messages"},
		"an image in hex": {`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,00"}}]}]}`, "messages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := e.post(t, chatPath, tc.body)
			d := decode[struct {
				Error struct{ Message, Type, Param, Code string }
			}](t, got.body)
			if got.StatusCode != http.StatusBadRequest || d.Error.Type != "invalid_request_error" || d.Error.Param != tc.param || d.Error.Message == "" {
				t.Errorf("status %d: %s", got.StatusCode, got.body)
			}
		})
	}
}

func TestEchoListsItsModel(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	list := decode[struct {
		Object string
		Data   []map[string]any
	}](t, e.do(t, e.request(t, http.MethodGet, "/api/v3/models", "")).body)
	one := decode[map[string]any](t, e.do(t, e.request(t, http.MethodGet, "/api/v3/models/echo", "")).body)
	if list.Object != "list" || len(list.Data) != 1 || !maps.Equal(list.Data[0], one) || one["id"] != "echo" || one["object"] != "model" {
		t.Errorf("%v and %v", list, one)
	}
}
