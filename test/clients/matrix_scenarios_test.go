package clients_test

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
)

// scenario is one thing that an application does.
type scenario struct {
	name    string // as the page has it
	members string // of a chat completion, without the model
	stream  bool
	stop    int    // events after which the application gives the stream up; 0 means never
	at      string // the model, if it is not goodModel
	fails   bool   // also without a sidecar
	shows   string // what has gone well then, for the page
	try     func(t *testing.T, c cell)
}

// The models that the backend of the matrix misbehaves for.
const (
	goodModel = "ep-20250101000000-abcde"
	busyModel = "ep-20250101000000-busyx" // 429, Retry-After: 1
	downModel = "ep-20250101000000-downx" // 503 directly; without a certificate, so that the sidecar has a 503 of its own
	slowModel = "ep-20250101000000-slowx" // the stream pauses after some events until the client is gone
	cutModel  = "ep-20250101000000-cutxx" // the stream breaks off after some events
)

// canary is in every content of the matrix: it may cross the wire in no form.
const canary = "canary 7QX2M4TZ"

func scenarios() []scenario {
	long := strings.Repeat("你好，世界 🙂 春眠不觉晓，处处闻啼鸟。", 400)
	return []scenario{
		{name: "chat", shows: "a chat with a system message gives the same text, token counts and finish reason", members: says("You are brief.", "你好 🙂 \"quoted\"\nand a second line"), try: same},
		{name: "stream", shows: "the same events in the same order", members: says("You are brief.", "one two three"), stream: true, try: same},
		{name: "turns", shows: "a conversation of several turns", members: `"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two ` + canary + `"},{"role":"user","content":"three"}]`, try: same},
		{name: "n=2", shows: "two answers to one request", members: `"n":2,` + says("", "twice"), try: same},
		{name: "tools", shows: "the same call with the same arguments, though functions and calls travel inside the sealed content", members: `"tools":` + weatherTool + `,` + says("", "the weather in 北京"), try: sameCalls},
		{name: "tools, stream", shows: "the same as a stream", members: `"tools":` + weatherTool + `,` + says("", "the weather in 北京"), stream: true, try: sameCalls},
		{name: "image", shows: "an image as a `data:` URL", members: `"messages":[{"role":"user","content":[{"type":"text","text":"What is this? ` + canary + `"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + onePixel + `"}}]}]`, try: same},
		{name: "long text", shows: "8,000 characters of Chinese with emoji, streamed", members: says("", long), stream: true, try: same},
		{name: "cancel", shows: "the application gives a stream up, and the model server learns of it", members: says("", strings.Repeat("word ", 50)), stream: true, stop: 3, at: slowModel, try: cancelled},
		{name: "429", shows: "the model server's 429 with Retry-After reaches the application, which tries again as often as without a sidecar, and as late (Ark's own SDKs alone do not wait)", members: says("", "again"), at: busyModel, fails: true, try: busy},
		{name: "503", shows: "where the sidecar cannot seal for the moment, its 503 reaches the application with its words, which tries as often as with one of the model server's", members: says("", "later"), at: downModel, fails: true, try: unavailable},
		{name: "refusal", shows: "what the sidecar refuses fails at once, with the sidecar's words", members: says("", "refused"), at: strings.Repeat("m", 300), try: refused},
		{name: "cut stream", shows: "a stream that breaks off is an error, never a shorter answer", members: says("", strings.Repeat("word ", 50)), stream: true, at: cutModel, fails: true, try: broken},
	}
}

const (
	weatherTool = `[{"type":"function","function":{"name":"weather","description":"The weather in a city, ` + canary + `.","parameters":` + weatherSchema + `}}]`
	onePixel    = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

// says gives the messages of a chat in which the user says text.
func says(system, text string) string {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	messages := []message{{"system", system}, {"user", text + " " + canary}}
	if system == "" {
		messages = messages[1:]
	}
	list, _ := json.Marshal(messages) // strings always marshal
	return `"messages":` + string(list)
}

// model is the one that s is tried with.
func (s scenario) model() string { return cmp.Or(s.at, goodModel) }

// task is a scenario as a program reads it.
type task struct {
	Name      string          `json:"name"`
	Request   json.RawMessage `json:"request"`
	StopAfter int             `json:"stop_after"`
}

// task has the scenario with a model by the name that the client has for it.
func (s scenario) task(model string) task {
	members := `"model":"` + model + `",` + s.members
	if s.stream {
		members += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	return task{s.name, json.RawMessage("{" + members + "}"), s.stop}
}

// seen is what a program printed for one scenario.
type seen struct {
	Choices []seenChoice `json:"choices"`
	Usage   []int        `json:"usage"` // prompt, completion, total
	Events  []string     `json:"events"`
	Model   string       `json:"model"` // that the reply names; "" if the client does not tell

	Error *struct {
		Status  int    `json:"status"` // 0 if the client does not tell
		Message string `json:"message"`
	} `json:"error"`
}

type seenChoice struct {
	Text   string `json:"text"`
	Finish string `json:"finish"`
	Tools  []tool `json:"tools"`
}

func (s seen) String() string {
	text, _ := json.Marshal(s) // strings and numbers always marshal
	if len(text) > 2000 {
		text = append(text[:2000:2000], "…"...)
	}
	return string(text)
}
