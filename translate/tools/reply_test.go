package tools_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/apierror"
	"sealcar/translate/tools"
)

// chat offers the functions weather and time.
const chat = `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[` + weather + `,{"type":"function","function":{"name":"time"}}]}`

// answer is what an application ends up with of one choice.
type answer struct {
	text   string // "" and null are one to whoever adds up
	calls  string // name(arguments) of each
	finish string
}

// said is a message or a delta.
type said struct {
	Content   *string
	ToolCalls []struct {
		Index    *int
		ID, Type string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type completion struct {
	Choices []struct {
		Index          int
		Message, Delta *said
		FinishReason   string `json:"finish_reason"`
	}
}

// add takes in what a document says of a choice; index counts the calls.
func (a *answer) add(t testing.TB, s *said, finish string, index *int) {
	t.Helper()
	a.finish += finish
	if s == nil {
		return
	}
	if s.Content != nil {
		a.text += *s.Content
	}
	for _, call := range s.ToolCalls {
		a.calls += call.Function.Name + "(" + call.Function.Arguments + ")"
		if call.ID != anID || call.Type != "function" || (call.Index != nil) != (index != nil) || index != nil && *call.Index != *index {
			t.Errorf("a call as %+v", call)
		}
		if index != nil {
			*index++
		}
	}
}

// document is a whole reply.
func document(content string) string {
	return `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":` + quote(content) + `,"refusal":null},"finish_reason":"stop"}],"usage":{"total_tokens":1.0}}`
}

// stream is a streamed reply that says the pieces.
func stream(pieces ...string) string {
	var b strings.Builder
	event := func(choice string) {
		fmt.Fprintf(&b, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,%s}]}\n\n", choice)
	}
	event(`"delta":{"role":"assistant","content":""}`)
	for _, piece := range pieces {
		event(`"delta":{"content":` + quote(piece) + `},"finish_reason":null`)
	}
	event(`"delta":{},"finish_reason":"stop"`)
	b.WriteString("data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n")
	return b.String()
}

// whole sends a chat that is answered with content.
func whole(t testing.TB, content string) answer {
	t.Helper()
	got, err := send(t, &upstream{mediaType: "application/json", reply: document(content)}, chat)
	if err != nil {
		t.Fatal(err)
	}
	var c completion
	if err := json.Unmarshal([]byte(got), &c); err != nil || len(c.Choices) != 1 {
		t.Fatalf("%v: %s", err, got)
	}
	var a answer
	a.add(t, c.Choices[0].Message, c.Choices[0].FinishReason, nil)
	return a
}

// events takes in a stream and gives the answers of its choices.
func events(t testing.TB, body string) map[int]answer {
	t.Helper()
	answers, indexes := map[int]answer{}, map[int]*int{}
	body, done := strings.CutSuffix(body, "data: [DONE]\n\n")
	if !done {
		t.Fatalf("the stream does not end: %s", body)
	}
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var c completion
		data, ok := strings.CutPrefix(event, "data: ")
		if err := json.Unmarshal([]byte(data), &c); err != nil || !ok {
			t.Fatalf("%v: %s", err, event)
		}
		for _, choice := range c.Choices {
			a := answers[choice.Index]
			if indexes[choice.Index] == nil {
				indexes[choice.Index] = new(int)
			}
			a.add(t, choice.Delta, choice.FinishReason, indexes[choice.Index])
			answers[choice.Index] = a
		}
	}
	return answers
}

// streamed sends a chat that is answered with a stream of pieces.
func streamed(t testing.TB, pieces ...string) answer {
	t.Helper()
	got, err := send(t, &upstream{mediaType: "text/event-stream", reply: stream(pieces...)}, chat)
	if err != nil {
		t.Fatal(err)
	}
	return events(t, got)[0]
}

const rome = `<tool_call>
{"name": "weather", "arguments": {"city": "Rome"}}
</tool_call>`

var answers = map[string]struct {
	content string
	want    answer
}{
	"text":                      {"hello", answer{"hello", "", "stop"}},
	"white space":               {" \n", answer{" \n", "", "stop"}},
	"text in white space":       {"\n hello \n", answer{"\n hello \n", "", "stop"}},
	"a call":                    {rome, answer{"", `weather({"city": "Rome"})`, "tool_calls"}},
	"a call in white space":     {"\n\n" + rome + "\n ", answer{"", `weather({"city": "Rome"})`, "tool_calls"}},
	"a call behind text":        {"Let me see.\n" + rome, answer{"Let me see.\n", `weather({"city": "Rome"})`, "tool_calls"}},
	"text behind a call":        {" a " + rome + "\nb", answer{" a b", `weather({"city": "Rome"})`, "tool_calls"}},
	"two calls":                 {rome + "\n" + `<tool_call>{"arguments":{},"name":"time"}</tool_call>`, answer{"", `weather({"city": "Rome"})time({})`, "tool_calls"}},
	"a mark in an argument":     {`<tool_call>{"name":"time","arguments":{"a":"</tool_call>\"<tool_call>"}}</tool_call>`, answer{"", `time({"a":"</tool_call>\"<tool_call>"})`, "tool_calls"}},
	"brackets in an argument":   {`<tool_call>{"name":"time","arguments":{"a":["}]",{"b":[]}]}}</tool_call>`, answer{"", `time({"a":["}]",{"b":[]}]})`, "tool_calls"}},
	"numbers as they were":      {`<tool_call>{"name":"time","arguments":{"a":9007199254740993.00}}</tool_call>`, answer{"", `time({"a":9007199254740993.00})`, "tool_calls"}},
	"arguments as a string":     {`<tool_call>{"name":"time","arguments":"{\"a\": 1}"}</tool_call>`, answer{"", `time({"a": 1})`, "tool_calls"}},
	"no arguments":              {`<tool_call>{"name":"time"}</tool_call>`, answer{"", `time({})`, "tool_calls"}},
	"null for arguments":        {`<tool_call>{"name":"time","arguments":null}</tool_call>`, answer{"", `time({})`, "tool_calls"}},
	"an id":                     {`<tool_call>{"id":"call_1","name":"time","arguments":{}}</tool_call>`, answer{"", `time({})`, "tool_calls"}},
	"a name in escapes":         {`<tool_call>{"name":"t\u0069me","arguments":{}}</tool_call>`, answer{"", `time({})`, "tool_calls"}},
	"a call behind a mark":      {"<tool_call>" + rome, answer{"<tool_call>", `weather({"city": "Rome"})`, "tool_calls"}},
	"a call behind half a mark": {"<tool_" + rome, answer{"<tool_", `weather({"city": "Rome"})`, "tool_calls"}},
	"a call behind a broken":    {`<tool_call>{"name":"time"` + rome, answer{`<tool_call>{"name":"time"`, `weather({"city": "Rome"})`, "tool_calls"}},
	"a call behind a string":    {`<tool_call>{"name":"ti` + "\n" + rome, answer{`<tool_call>{"name":"ti` + "\n", `weather({"city": "Rome"})`, "tool_calls"}},

	"another tag":                  {"a <b>c</b> <tools> <tool_calls> <tool_call", answer{"a <b>c</b> <tools> <tool_calls> <tool_call", "", "stop"}},
	"a mark alone":                 {"<tool_call> is a mark", answer{"<tool_call> is a mark", "", "stop"}},
	"a call without an end":        {`<tool_call>{"name":"time","arguments":{}}`, answer{`<tool_call>{"name":"time","arguments":{}}`, "", "stop"}},
	"half a call":                  {"a " + rome[:30], answer{"a " + rome[:30], "", "stop"}},
	"a call and half of another":   {rome + "\n" + rome[:30], answer{rome[:30], `weather({"city": "Rome"})`, "tool_calls"}},
	"another function":             {`<tool_call>{"name":"rm","arguments":{}}</tool_call>`, answer{`<tool_call>{"name":"rm","arguments":{}}</tool_call>`, "", "stop"}},
	"the example":                  {`<tool_call>{"name": "NAME", "arguments": {"PARAMETER": "VALUE"}}</tool_call>`, answer{`<tool_call>{"name": "NAME", "arguments": {"PARAMETER": "VALUE"}}</tool_call>`, "", "stop"}},
	"no name":                      {`<tool_call>{"arguments":{}}</tool_call>`, answer{`<tool_call>{"arguments":{}}</tool_call>`, "", "stop"}},
	"a name that is a number":      {`<tool_call>{"name":1,"arguments":{}}</tool_call>`, answer{`<tool_call>{"name":1,"arguments":{}}</tool_call>`, "", "stop"}},
	"two names":                    {`<tool_call>{"name":"time","name":"weather"}</tool_call>`, answer{`<tool_call>{"name":"time","name":"weather"}</tool_call>`, "", "stop"}},
	"more than a call":             {`<tool_call>{"name":"time","why":"so"}</tool_call>`, answer{`<tool_call>{"name":"time","why":"so"}</tool_call>`, "", "stop"}},
	"arguments in a list":          {`<tool_call>{"name":"time","arguments":[]}</tool_call>`, answer{`<tool_call>{"name":"time","arguments":[]}</tool_call>`, "", "stop"}},
	"arguments are no object":      {`<tool_call>{"name":"time","arguments":"1"}</tool_call>`, answer{`<tool_call>{"name":"time","arguments":"1"}</tool_call>`, "", "stop"}},
	"arguments are no JSON":        {`<tool_call>{"name":"time","arguments":"{a}"}</tool_call>`, answer{`<tool_call>{"name":"time","arguments":"{a}"}</tool_call>`, "", "stop"}},
	"brackets that do not match":   {`<tool_call>{"name":"time","arguments":{]}</tool_call>`, answer{`<tool_call>{"name":"time","arguments":{]}</tool_call>`, "", "stop"}},
	"text before the end":          {`<tool_call>{"name":"time"} so</tool_call>`, answer{`<tool_call>{"name":"time"} so</tool_call>`, "", "stop"}},
	"an end that breaks off":       {`<tool_call>{"name":"time"}</tool_ call>`, answer{`<tool_call>{"name":"time"}</tool_ call>`, "", "stop"}},
	"a result":                     {`<tool_response>{"content":1}</tool_response>`, answer{`<tool_response>{"content":1}</tool_response>`, "", "stop"}},
	"an end of a call alone":       {`</tool_call>`, answer{`</tool_call>`, "", "stop"}},
	"Chinese, and < as arithmetic": {"你好 1<2 😀 <", answer{"你好 1<2 😀 <", "", "stop"}},
}

func TestCallsInAnAnswerBecomeToolCalls(t *testing.T) {
	t.Parallel()
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := whole(t, test.content); got != test.want {
				t.Errorf("whole: got %q, want %q", got, test.want)
			}
			if got := streamed(t, strings.Split(test.content, "")...); got != test.want {
				t.Errorf("by the character: got %q, want %q", got, test.want)
			}
			for i := range test.content {
				if got := streamed(t, test.content[:i], test.content[i:]); got != test.want {
					t.Errorf("cut at %d: got %q, want %q", i, got, test.want)
				}
			}
		})
	}
}

// However the bytes of a stream come, its events are the same, and each is
// there as soon as it is in.
func TestReadsOfAStreamDoNotMatter(t *testing.T) {
	t.Parallel()
	text := stream("Let me ", "see <b>. ", rome[:8], rome[8:40], rome[40:]+" ", rome, "so")
	want, err := send(t, &upstream{mediaType: "text/event-stream", reply: text}, chat)
	if err != nil {
		t.Fatal(err)
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "an error with the data": iotest.DataErrReader} {
		got, err := send(t, &upstream{mediaType: "text/event-stream", body: io.NopCloser(wrap(strings.NewReader(text)))}, chat)
		if err != nil || got != want {
			t.Errorf("%s: %v, got\n%s, want\n%s", name, err, got, want)
		}
	}
	if in, out := strings.Count(text, "\n\n"), strings.Count(want, "\n\n"); in != out {
		t.Errorf("%d events became %d", in, out)
	}
}

func TestTextComesThroughAtOnce(t *testing.T) {
	t.Parallel()
	const event = `data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}` + "\n\n"
	in, feed := io.Pipe()
	resp, err := transport(&upstream{mediaType: "text/event-stream", body: in}).RoundTrip(post(t, chat))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got := make([]byte, 1024)
	for _, step := range []struct{ piece, want string }{
		{"Let ", `{"content":"Let "}`},
		{"me see. ", `{"content":"me see. "}`},
		{"1 <", `{"content":"1 "}`},
		{"tool_box", `{"content":"<tool_box"}`},
		{"<tool_call>", `{"content":null}`},
		{`{\"name\":`, `{"content":null}`},
		{`\"time\"}`, `{"content":null}`},
		{"</tool_call>", `{"content":null,"tool_calls":[{"index":0,"id":"` + anID + `","type":"function","function":{"name":"time","arguments":"{}"}}]}`},
	} {
		go func() { _, _ = fmt.Fprintf(feed, event, step.piece) }()
		n, err := resp.Body.Read(got)
		if want := `data: {"choices":[{"index":0,"delta":` + step.want + `}]}` + "\n\n"; err != nil || string(got[:n]) != want {
			t.Fatalf("%s: %v, got %s, want %s", step.piece, err, got[:n], want)
		}
	}
}

// Whatever is not about calls stays byte for byte.
func TestOtherRepliesPassByteForByte(t *testing.T) {
	t.Parallel()
	withoutTools := `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"tool","content":"a"}]}`
	none := strings.TrimSuffix(chat, "}") + `,"tool_choice":"none"}`
	for name, test := range map[string]struct {
		request string
		upstream
	}{
		"text":                      {chat, upstream{mediaType: "application/json", reply: `{ "choices" : [ {"index":0,"message":{"content":"\u0068ello"},"finish_reason":"stop","x":1.0} ]}`}},
		"text, streamed":            {chat, upstream{mediaType: "text/event-stream", reply: ": hi\n\n" + stream("a", " ", "\tb\\u003c") + ": bye\n"}},
		"an error":                  {chat, upstream{status: 400, mediaType: "application/json", reply: document(rome)}},
		"an error with 200":         {chat, upstream{mediaType: "application/json", reply: `{"error":{"code":"a"}}`}},
		"an error event":            {chat, upstream{mediaType: "text/event-stream", reply: "data: {\"error\":{}}\n\n"}},
		"no choices":                {chat, upstream{mediaType: "application/json", reply: `{"choices":null}`}},
		"another media type":        {chat, upstream{mediaType: "text/plain", reply: document(rome)}},
		"no calls in clear":         {chat, upstream{mediaType: "application/json", reply: `{"choices":[{"index":0,"message":{"content":"a","tool_calls":[],"function_call":null},"finish_reason":"stop"}]}`}},
		"a call, without tools":     {withoutTools, upstream{mediaType: "application/json", reply: document(rome)}},
		"a call, but none is asked": {none, upstream{mediaType: "application/json", reply: document(rome)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := send(t, &test.upstream, test.request); err != nil || got != test.reply {
				t.Errorf("%v, got\n%s, want\n%s", err, got, test.reply)
			}
		})
	}
}

func TestOnlyAllowedFunctionsAreCalled(t *testing.T) {
	t.Parallel()
	request := strings.TrimSuffix(chat, "}") + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"time"}}]}}}`
	for content, want := range map[string]bool{rome: false, `<tool_call>{"name":"time"}</tool_call>`: true} {
		got, err := send(t, &upstream{mediaType: "application/json", reply: document(content)}, request)
		if err != nil || strings.Contains(got, `"tool_calls":[`) != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

// The places where the content of a reply may be missing.
func TestRepliesOfOtherShapes(t *testing.T) {
	t.Parallel()
	call := quote(`<tool_call>{"name":"time"}</tool_call>`)
	const list = `[{"id":"` + anID + `","type":"function","function":{"name":"time","arguments":"{}"}}]`
	for before, after := range map[string]string{
		`{"message":{"content":` + call + `,"tool_calls":[ ]},"finish_reason":"stop"}`:  `{"message":{"content":null,"tool_calls":` + list + `},"finish_reason":"tool_calls"}`,
		`{"message":{"tool_calls":null,"content":` + call + `},"finish_reason":"stop"}`: `{"message":{"tool_calls":` + list + `,"content":null},"finish_reason":"tool_calls"}`,
		`{"finish_reason":"length","index":null,"message":{"content":` + call + `}}`:    `{"finish_reason":"length","index":null,"message":{"content":null,"tool_calls":` + list + `}}`,
		`{"message":{"content":` + call + `},"finish_reason":"content_filter"}`:         `{"message":{"content":` + call + `},"finish_reason":"content_filter"}`,
		`{"message":{"content":"<tool_call>{"},"finish_reason":null}`:                   `{"message":{"content":"<tool_call>{"},"finish_reason":null}`,
		`{"message":null,"finish_reason":"stop"}`:                                       `{"message":null,"finish_reason":"stop"}`,
		`{"index":1,"message":{"content":null,"reasoning_content":"<tool_call>{}<"}}`:   `{"index":1,"message":{"content":null,"reasoning_content":"<tool_call>{}<"}}`,
	} {
		got, err := send(t, &upstream{mediaType: "application/json", reply: `{"choices":[` + before + `]}`}, chat)
		if want := `{"choices":[` + after + `]}`; err != nil || got != want {
			t.Errorf("%v, got\n%s, want\n%s", err, got, want)
		}
	}
	for before, after := range map[string]string{ // of half a call
		`{"index":0,"delta":{},"finish_reason":"stop"}`:                   `{"index":0,"delta":{"content":"<tool_call>{"},"finish_reason":"stop"}`,
		`{"index":0,"delta":{ },"finish_reason":"length"}`:                `{"index":0,"delta":{"content":"<tool_call>{" },"finish_reason":"length"}`,
		`{"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"}`: `{"index":0,"delta":{"content":"<tool_call>{","role":"assistant"},"finish_reason":"stop"}`,
		`{"index":0,"delta":{"content":null},"finish_reason":"stop"}`:     `{"index":0,"delta":{"content":"<tool_call>{"},"finish_reason":"stop"}`,
		`{"index":0,"delta":{"content":"\""},"finish_reason":"stop"}`:     `{"index":0,"delta":{"content":"<tool_call>{\""},"finish_reason":"stop"}`,
		`{"index":0,"delta":null,"finish_reason":"stop"}`:                 `{"index":0,"delta":{"content":"<tool_call>{"},"finish_reason":"stop"}`,
		`{"index":0,"finish_reason":"stop"}`:                              `{"delta":{"content":"<tool_call>{"},"index":0,"finish_reason":"stop"}`,
	} {
		const half = `data: {"choices":[{"index":0,"delta":{"content":"<tool_call>{"}}]}` + "\n\n"
		got, err := send(t, &upstream{mediaType: "text/event-stream", reply: half + `data: {"choices":[` + before + "]}\n\n"}, chat)
		if want := strings.Replace(half, `"<tool_call>{"`, "null", 1) + `data: {"choices":[` + after + "]}\n\n"; err != nil || got != want {
			t.Errorf("%v, got\n%s, want\n%s", err, got, want)
		}
	}
}

func TestEachChoiceHasCallsOfItsOwn(t *testing.T) {
	t.Parallel()
	contents := []string{"a " + rome, rome + rome, "text", rome[:20]}
	want := map[int]answer{
		0: {"a ", `weather({"city": "Rome"})`, "tool_calls"},
		1: {"", strings.Repeat(`weather({"city": "Rome"})`, 2), "tool_calls"},
		2: {"text", "", "stop"},
		3: {rome[:20], "", "stop"},
	}
	// Choices take turns at random, sometimes several in one chunk.
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	var chunk []string
	left := append([]string{}, contents...)
	for strings.Join(left, "") != "" {
		i := random.IntN(len(left))
		n := random.IntN(len(left[i]) + 1)
		chunk = append(chunk, fmt.Sprintf(`{"index":%d,"delta":{"content":%s}}`, i, quote(left[i][:n])))
		left[i] = left[i][n:]
		if random.IntN(2) == 0 {
			b.WriteString(`data: {"choices":[` + strings.Join(chunk, ",") + "]}\n\n")
			chunk = nil
		}
	}
	for i := range contents {
		chunk = append(chunk, fmt.Sprintf(`{"index":%d,"delta":{},"finish_reason":"stop"}`, i))
	}
	b.WriteString(`data: {"choices":[` + strings.Join(chunk, ",") + "]}\n\ndata: [DONE]\n\n")
	got, err := send(t, &upstream{mediaType: "text/event-stream", reply: b.String()}, chat)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range events(t, got) {
		if a != want[i] {
			t.Errorf("choice %d: got %q, want %q", i, a, want[i])
		}
	}
}

// Faults of a reply never look like its end.
// native is a reply with a call of the API's own: nobody can have offered that
// function but whoever wrote the reply.
const native = `{"choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"time","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`

func TestNoCallInClearIsBelievedThoughNoneMayBeCalled(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"no tools but in the history": `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"tool","content":"a"}]}`,
		"no tools at all":             `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
		"none may be called":          strings.TrimSuffix(chat, "}") + `,"tool_choice":"none"}`,
	} {
		_, err := send(t, &upstream{mediaType: "application/json", reply: native}, request)
		if fault, ok := errors.AsType[*apierror.Error](err); !ok || fault.Code != "reply_in_clear" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What a content filter ends may be in clear, by an unsafe setting: it makes no
// call, nor ends one.
func TestWhatAContentFilterEndsIsText(t *testing.T) {
	t.Parallel()
	const filtered = `data: {"choices":[{"index":0,"delta":{"content":%s},"finish_reason":"content_filter"}]}` + "\n\n"
	for name, test := range map[string]struct{ before, last string }{
		"a whole call":       {"", rome},
		"the end of a call":  {rome[:30], rome[30:]},
		"behind half a call": {rome[:30], rome},
	} {
		reply := strings.TrimSuffix(stream(test.before), `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n")
		got, err := send(t, &upstream{mediaType: "text/event-stream", reply: reply + fmt.Sprintf(filtered, quote(test.last)) + "data: [DONE]\n\n"}, chat)
		if err != nil {
			t.Fatal(err)
		}
		if a := events(t, got)[0]; a != (answer{test.before + test.last, "", "content_filter"}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestFaultsOfAReplyAreErrors(t *testing.T) {
	t.Parallel()
	half := strings.TrimSuffix(stream("<tool_call>{"), `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n"+"data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n")
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		upstream
		code string // "" is broken
	}{
		"no JSON":                 {upstream{mediaType: "application/json", reply: `{"choices":[{}]}{}`}, "reply_unreadable"},
		"the end of a stream":     {upstream{mediaType: "application/json", reply: `[DONE]`}, "reply_unreadable"},
		"a choice that is none":   {upstream{mediaType: "application/json", reply: `{"choices":[1]}`}, "reply_unreadable"},
		"choices without end":     {upstream{mediaType: "application/json", reply: `{"choices":[{}` + strings.Repeat(",{}", 1024) + `]}`}, "reply_unreadable"},
		"an index far out":        {upstream{mediaType: "application/json", reply: `{"choices":[{"index":1024}]}`}, "reply_unreadable"},
		"an index below":          {upstream{mediaType: "application/json", reply: `{"choices":[{"index":-1}]}`}, "reply_unreadable"},
		"content in a list":       {upstream{mediaType: "application/json", reply: `{"choices":[{"message":{"content":[]}}]}`}, "reply_unreadable"},
		"no JSON in an event":     {upstream{mediaType: "text/event-stream", reply: "data: {\n\n"}, "reply_unreadable"},
		"a call in clear":         {upstream{mediaType: "application/json", reply: native}, "reply_in_clear"},
		"a call in a later event": {upstream{mediaType: "text/event-stream", reply: stream("a") + "data: " + native + "\n\n"}, "reply_in_clear"},
		"an old call in clear":    {upstream{mediaType: "application/json", reply: `{"choices":[{"index":0,"message":{"content":null,"function_call":{"name":"time","arguments":"{}"}},"finish_reason":"stop"}]}`}, "reply_in_clear"},
		"half a call at the end":  {upstream{mediaType: "text/event-stream", reply: half + "data: [DONE]\n\n"}, "reply_unfinished"},
		"the connection breaks":   {upstream{mediaType: "text/event-stream", body: io.NopCloser(io.MultiReader(strings.NewReader(half), iotest.ErrReader(broken)))}, ""},
		"it breaks in a document": {upstream{mediaType: "application/json", body: io.NopCloser(iotest.ErrReader(broken))}, "reply_truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := send(t, &test.upstream, chat)
			fault, ok := errors.AsType[*apierror.Error](err)
			switch {
			case test.code == "":
				if !errors.Is(err, broken) || ok {
					t.Errorf("got %v", err)
				}
			case !ok || fault.Code != test.code || fault.Status != http.StatusBadGateway:
				t.Errorf("got %v", err)
			case test.mediaType == "text/event-stream" && !strings.HasSuffix(got, "data: "+string(fault.Document())+"\n\n"):
				t.Errorf("the stream ends with %s", got)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	long := `<tool_call>{"name":"time","arguments":{"a":"` + strings.Repeat("a", 200) + `"}}</tool_call>`
	for name, test := range map[string]struct {
		edit     func(*tools.Transport)
		upstream upstream
		code     string
		text     string // what the reply holds
	}{
		"request":                   {func(t *tools.Transport) { t.MaxRequestBytes = 10 }, upstream{}, "request_too_large", ""},
		"reply":                     {func(t *tools.Transport) { t.ReplyLimits.Reply = 10 }, upstream{mediaType: "application/json", reply: document("a")}, "reply_too_large", ""},
		"event":                     {func(t *tools.Transport) { t.ReplyLimits.Event = 20 }, upstream{mediaType: "text/event-stream", reply: stream("a", long)}, "reply_too_large", ""},
		"a long call, cut to fit":   {func(t *tools.Transport) { t.ReplyLimits.Event = 100 }, upstream{mediaType: "text/event-stream", reply: stream(strings.Split(long, "")...)}, "", `"content":"<tool_call>{\"name\":\"time\"`},
		"a long call, within limit": {func(t *tools.Transport) { t.ReplyLimits.Event = 300 }, upstream{mediaType: "text/event-stream", reply: stream(strings.Split(long, "")...)}, "", `"tool_calls":[{`},
		"white space":               {func(t *tools.Transport) { t.ReplyLimits.Event = 100 }, upstream{mediaType: "text/event-stream", reply: stream(strings.Split(strings.Repeat(" ", 200), "")...)}, "", `"content":"` + strings.Repeat(" ", 101) + `"`},
		"no randomness":             {func(t *tools.Transport) { t.Random = bytes.NewReader(nil) }, upstream{mediaType: "text/event-stream", reply: stream(rome)}, "reply_unreadable", ""},
		"randomness by default":     {func(t *tools.Transport) { t.Random = nil }, upstream{mediaType: "application/json", reply: document(rome)}, "", `"id":"call_`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := transport(&test.upstream)
			test.edit(transport)
			var got []byte
			resp, err := transport.RoundTrip(post(t, chat))
			if err == nil {
				got, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			fault, ok := errors.AsType[*apierror.Error](err)
			if ok != (test.code != "") || ok && fault.Code != test.code || !strings.Contains(string(got), test.text) {
				t.Errorf("%v: %s", err, got)
			}
		})
	}
}
