package responses

import (
	"encoding/json"
	"strings"

	"sealcar/apierror"
	"sealcar/translate/dialect"
)

// messages makes the chat's messages of the instructions and the input.
func messages(instructions json.RawMessage, o *dialect.Object, known owned) []dialect.Message {
	h := &history{known: known}
	if instructions != nil {
		h.say("instructions", "instructions", "system", instructions)
	}
	input, ok := o.Take("input")
	if !ok {
		return h.messages
	}
	text, items := input.TextOrItems()
	if text != nil {
		h.say(input.Path(), input.Path(), "user", text)
		return h.messages
	}
	for _, item := range items {
		h.item(item)
	}
	input.NeedMessage(h.messages)
	return h.messages
}

// history is a conversation that is being put together.
type history struct {
	messages []dialect.Message
	known    owned // what can be referred to
}

func (h *history) say(from, contentFrom, role string, content any) {
	h.messages = append(h.messages, dialect.Message{From: from, ContentFrom: contentFrom, Role: role, Content: content})
}

// item adds one item of the input.
func (h *history) item(v dialect.Value) {
	item, ok := v.Object()
	if !ok {
		return
	}
	switch kind := item.Text("type"); kind {
	case "", "message":
		h.message(v.Path(), item)
	case "function_call":
		h.call(v.Path(), item)
	case "function_call_output":
		h.result(v.Path(), item)
	case "reasoning":
		// A chat has no place for it, and models do without.
		item.Drop("id", "summary", "content", "encrypted_content", "status")
	case "item_reference":
		h.refer(item)
	default:
		v.Refuse("is an item of type " + dialect.Quoted(kind) + ", which " + noPart)
		return
	}
	item.Drop("id", "status")
	item.End()
}

// refer adds what an item of an earlier reply said. What was thought then is left
// out as it is where an item brings it.
func (h *history) refer(item *dialect.Object) {
	item.Need("id")
	id, ok := item.Take("id")
	if !ok {
		return
	}
	name := id.Text()
	found := h.known.find(name)
	switch {
	case found != nil:
		found.say(h)
	case !strings.HasPrefix(name, reasoning.prefix):
		id.Fail(apierror.BadRequest("reference_unknown", id.Path(), "nothing was sent, for "+id.Path()+" refers to an item that is not kept here, or no longer: send it whole, which SDKs do with store: false (the Vercel AI SDK: providerOptions.openai.store)"))
	}
}

// message adds what somebody said.
func (h *history) message(from string, item *dialect.Object) {
	item.Need("role")
	item.Need("content")
	item.Drop("phase")
	role := item.Text("role")
	switch role {
	case "developer":
		role = "system" // the same, by the name that every server knows
	case "", "user", "assistant", "system":
	default:
		v, _ := item.Take("role")
		v.Refuse("is none of user, assistant, system and developer")
	}
	if content, ok := item.Take("content"); ok {
		h.say(from, content.Path(), role, contentOf(content))
	}
}

// call adds a call that the model made. A chat has it in the message in which the
// model also spoke, and all calls that it made at once in one message.
func (h *history) call(from string, item *dialect.Object) {
	for _, name := range []string{"call_id", "name", "arguments"} {
		item.Need(name)
	}
	call := dialect.ToolCall{From: from, ID: item.Raw("call_id", `"`), Type: "function", Function: dialect.FunctionCall{
		Name: item.Raw("name", `"`), Arguments: item.Raw("arguments", `"`),
	}}
	h.called(call)
}

func (h *history) called(call dialect.ToolCall) {
	last := len(h.messages) - 1
	if last < 0 || h.messages[last].Role != "assistant" {
		h.say(call.From, "", "assistant", nil)
		last++
	}
	h.messages[last].ToolCalls = append(h.messages[last].ToolCalls, call)
}

// result adds what a call gave.
func (h *history) result(from string, item *dialect.Object) {
	item.Need("call_id")
	item.Need("output")
	id := item.Raw("call_id", `"`)
	if output, ok := item.Take("output"); ok {
		h.messages = append(h.messages, dialect.Message{From: from, ContentFrom: output.Path(), Role: "tool", Content: contentOf(output), ToolCallID: id})
	}
}

// contentOf is the content of a message: a string or parts.
func contentOf(v dialect.Value) any {
	text, items := v.TextOrItems()
	if text != nil {
		return text
	}
	var parts []dialect.Part
	for _, item := range items {
		if part, ok := item.Object(); ok {
			parts = append(parts, partOf(item, part))
			parts[len(parts)-1].From = item.Path()
			part.End()
		}
	}
	return dialect.Content(parts)
}

func partOf(v dialect.Value, part *dialect.Object) dialect.Part {
	switch kind := part.Text("type"); kind {
	case "input_text", "output_text":
		part.Need("text")
		part.Drop("annotations", "logprobs")
		return dialect.TextPart(part.Raw("text", `"`))
	case "refusal": // as text, which can be sealed
		part.Need("refusal")
		return dialect.TextPart(part.Raw("refusal", `"`))
	case "input_image":
		part.Refuse("refers to a file, and files cannot be sealed: send the image as a data: URL", "file_id")
		part.Need("image_url")
		image := dialect.ImageURL{URL: part.Raw("image_url", `"`), Detail: part.Raw("detail", `"`)}
		return dialect.Part{Type: "image_url", ImageURL: &image}
	case "input_file":
		v.Refuse("is a file, and files cannot be sealed: send what it says in a part of type input_text")
		return dialect.Part{}
	default:
		v.Refuse("is a part of type " + dialect.Quoted(kind) + ", which " + noPart)
		return dialect.Part{}
	}
}
