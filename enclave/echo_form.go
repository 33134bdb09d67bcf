package enclave

import (
	"encoding/json"
	"strings"
)

// The echo follows the form of docs/tools.md: a sidecar with move_tools moves the
// tools of a chat into its system message and takes blocks in the answer for
// calls. What the echo does then is what it does with tools proper.
const (
	formTools    = "\n<tools>\n"
	formToolsEnd = "\n</tools>\n"
	formCall     = "<tool_call>\n"
	formCallEnd  = "\n</tool_call>"
	formResult   = "<tool_response>\n"
	formNext     = "\nIn your next answer, call "
)

// followForm takes what the form says for tools, a choice and results. Calls are
// then to be written in the form.
func (r *echoRequest) followForm() {
	system := string(r.Messages[0].Content)
	_, list, found := strings.Cut(system, formTools)
	list, told, ends := strings.Cut(list, formToolsEnd)
	if role := r.Messages[0].Role; len(r.Tools) > 0 || !found || !ends || role != "system" && role != "developer" {
		return
	}
	for line := range strings.Lines(list) {
		var t echoTool
		if json.Unmarshal([]byte(line), &t) != nil {
			return
		}
		r.Tools = append(r.Tools, t)
	}
	r.inForm = true
	switch _, next, _ := strings.Cut(told, formNext); {
	case strings.Contains(told, "\nDo not call a function"):
		r.ToolChoice.mode = "none"
	case strings.HasPrefix(next, "at least one"):
		r.ToolChoice.mode = "required"
	case strings.HasPrefix(next, "the function "):
		_ = json.NewDecoder(strings.NewReader(strings.TrimPrefix(next, "the function "))).Decode(&r.ToolChoice.function) // else any
	}
	r.takeResults()
}

// takeResults makes the last message one of a tool, if it holds results: the
// last of them.
func (r *echoRequest) takeResults() {
	last := &r.Messages[len(r.Messages)-1]
	i := strings.LastIndex(string(last.Content), formResult)
	if i < 0 || last.Role != "user" {
		return
	}
	var result struct{ Content echoContent }
	if json.NewDecoder(strings.NewReader(string(last.Content[i+len(formResult):]))).Decode(&result) == nil {
		last.Role, last.Content = "tool", result.Content
	}
}

// write makes a call of an answer words, as a model writes it.
func (a echoAnswer) write() echoAnswer {
	name, _ := json.Marshal(a.call.function) // strings always marshal
	text := formCall + `{"name": ` + string(name) + `, "arguments": ` + a.text() + "}" + formCallEnd
	return echoAnswer{words: splitWords(text), finish: "stop"}
}
