package enclave

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// echoAnswer is what every choice of a reply says: words, or a call of a tool.
type echoAnswer struct {
	words  []string // their concatenation is the text, or the call's arguments
	call   *echoCall
	finish string // finish_reason
}

type echoCall struct{ id, function string }

func (a echoAnswer) text() string { return strings.Join(a.words, "") }

// answer decides what to say. id makes the ids of tool calls.
func (r *echoRequest) answer(id string) echoAnswer {
	if tool := r.tool(); tool != nil {
		a := echoAnswer{
			words:  splitWords(tool.arguments(r.lastUserText())),
			call:   &echoCall{id: "call_" + id, function: tool.Function.Name},
			finish: "tool_calls",
		}
		if r.inForm {
			return a.write()
		}
		return a
	}
	text := "You said: " + r.lastUserText()
	if last := r.Messages[len(r.Messages)-1]; last.Role == "tool" {
		text = "The tool said: " + string(last.Content)
	}
	a := echoAnswer{words: splitWords(text), finish: "stop"}
	if limit := r.limit(); limit != nil && *limit < len(a.words) {
		a.words, a.finish = a.words[:*limit], "length"
	}
	return a
}

// tool is the one to call, or nil: a user has the last word, and either a call is
// asked for or the user names a tool.
func (r *echoRequest) tool() *echoTool {
	if len(r.Tools) == 0 || r.ToolChoice.mode == "none" || r.Messages[len(r.Messages)-1].Role != "user" {
		return nil
	}
	text := r.lastUserText()
	for i := range r.Tools {
		name := r.Tools[i].Function.Name
		if r.ToolChoice.function == name || r.ToolChoice.function == "" && name != "" && strings.Contains(text, name) {
			return &r.Tools[i]
		}
	}
	if r.ToolChoice.mode == "required" {
		return &r.Tools[0]
	}
	return nil
}

// arguments puts text into the first required parameter that is a string.
func (t *echoTool) arguments(text string) string {
	p := t.Function.Parameters
	i := slices.IndexFunc(p.Required, func(name string) bool { return p.Properties[name].Type == "string" })
	if i < 0 {
		return "{}"
	}
	b, _ := json.Marshal(map[string]string{p.Required[i]: text}) // strings always marshal
	return string(b)
}

// splitWords cuts text before each run of spaces, so that the words joined are
// the text. Chinese is written without spaces: there, each character is a word.
func splitWords(text string) []string {
	var words []string
	start, before := 0, rune(-1)
	for i, c := range text {
		if i > start && startsWord(before, c) {
			words = append(words, text[start:i])
			start = i
		}
		before = c
	}
	if start < len(text) {
		words = append(words, text[start:])
	}
	return words
}

func startsWord(before, c rune) bool {
	if unicode.IsSpace(c) {
		return !unicode.IsSpace(before)
	}
	return unicode.Is(unicode.Han, c) && !unicode.IsSpace(before)
}

// promptWords counts the words of all messages.
func (r *echoRequest) promptWords() int {
	n := 0
	for _, m := range r.Messages {
		n += len(splitWords(string(m.Content)))
	}
	return n
}
