package anthropic

import (
	"encoding/json"
	"strings"

	"sealcar/translate/dialect"
)

// messages makes the chat's messages of the system prompt and the turns.
func messages(o *dialect.Object) []dialect.Message {
	var list []dialect.Message
	if system, ok := o.Take("system"); ok {
		said := partsOf(system)
		said.refuseCalls("of system")
		said.refuseResults("of system")
		list = append(list, dialect.Message{From: system.Path(), ContentFrom: system.Path(), Role: "system", Content: said.content()})
	}
	turns, ok := o.Take("messages")
	if !ok {
		return list
	}
	for _, v := range turns.Items() {
		if turn, ok := v.Object(); ok {
			list = append(list, messagesOf(v.Path(), turn)...)
			turn.End()
		}
	}
	turns.NeedMessage(list)
	return list
}

// messagesOf is what a turn becomes: what tools gave, each in a message of its
// own, which has to follow the message that called them; then what was said.
func messagesOf(from string, turn *dialect.Object) []dialect.Message {
	turn.Need("role")
	turn.Need("content")
	role := turn.Text("role")
	content, ok := turn.Take("content")
	if !ok {
		return nil
	}
	said := partsOf(content)
	switch role {
	case "user":
		said.refuseCalls("of user")
	case "system":
		said.refuseCalls("of system")
		said.refuseResults("of system")
	case "assistant":
		said.refuseResults("of assistant")
	case "":
	default:
		v, _ := turn.Take("role")
		v.Refuse("is none of user, assistant and system")
	}
	list := said.results
	if len(said.parts) > 0 || len(said.calls) > 0 || len(list) == 0 {
		list = append(list, dialect.Message{From: from, ContentFrom: content.Path(), Role: role, Content: said.content(), ToolCalls: said.calls})
	}
	return list
}

// blocks is the content of a turn, sorted.
type blocks struct {
	parts   []dialect.Part
	calls   []dialect.ToolCall
	results []dialect.Message

	firstCall, firstResult dialect.Value
}

func (b *blocks) refuseCalls(where string) {
	if len(b.calls) > 0 {
		b.firstCall.Refuse("is a call in a message " + where)
	}
}

func (b *blocks) refuseResults(where string) {
	if len(b.results) > 0 {
		b.firstResult.Refuse("is a result in a message " + where)
	}
}

// content is what was said, null if there are only calls.
func (b *blocks) content() any {
	if len(b.parts) == 0 && len(b.calls) > 0 {
		return nil
	}
	return dialect.Content(b.parts)
}

// partsOf reads a content: a string, or blocks.
func partsOf(v dialect.Value) *blocks {
	b := new(blocks)
	text, items := v.TextOrItems()
	if text != nil {
		b.parts = append(b.parts, dialect.TextPart(text))
	}
	for _, v := range items {
		if block, ok := v.Object(); ok {
			b.add(v, block)
			block.Drop("cache_control")
			block.End()
		}
	}
	return b
}

func (b *blocks) add(v dialect.Value, block *dialect.Object) {
	switch kind := block.Text("type"); kind {
	case "text":
		block.Need("text")
		block.Drop("citations")
		b.say(v, dialect.TextPart(block.Raw("text", `"`)))
	case "image":
		block.Need("source")
		if source, ok := block.Take("source"); ok {
			b.say(v, imageOf(source))
		}
	case "tool_use":
		if len(b.calls) == 0 {
			b.firstCall = v
		}
		b.calls = append(b.calls, callOf(v.Path(), block))
	case "tool_result":
		if len(b.results) == 0 {
			b.firstResult = v
		}
		b.results = append(b.results, resultOf(v.Path(), block))
	case "thinking", "redacted_thinking":
		// A chat has no place for it, and models do without.
		block.Drop("thinking", "signature", "data")
	case "document", "search_result", "container_upload":
		v.Refuse("is a file, and files cannot be sealed: send what it says in a block of type text")
	default:
		v.Refuse("is a block of type " + dialect.Quoted(kind) + ", which " + noPart)
	}
}

// say adds a part, which comes from v.
func (b *blocks) say(v dialect.Value, part dialect.Part) {
	part.From = v.Path()
	b.parts = append(b.parts, part)
}

func callOf(from string, block *dialect.Object) dialect.ToolCall {
	for _, name := range []string{"id", "name", "input"} {
		block.Need(name)
	}
	block.Drop("caller")
	input := block.Raw("input", "{")
	return dialect.ToolCall{From: from, ID: block.Raw("id", `"`), Type: "function", Function: dialect.FunctionCall{
		Name: block.Raw("name", `"`), Arguments: dialect.Encode(string(input)),
	}}
}

// resultOf is what a tool gave. That it failed, which a chat has no flag for, is
// in its text.
func resultOf(from string, block *dialect.Object) dialect.Message {
	block.Need("tool_use_id")
	block.Drop("is_error")
	m := dialect.Message{From: from, Role: "tool", Content: json.RawMessage(`""`), ToolCallID: block.Raw("tool_use_id", `"`)}
	if content, ok := block.Take("content"); ok {
		said := partsOf(content)
		said.refuseCalls("of a tool")
		said.refuseResults("of a tool")
		m.ContentFrom, m.Content = content.Path(), said.content()
	}
	return m
}

// imageOf is an image: a data: URL of its bytes, or its address.
func imageOf(v dialect.Value) dialect.Part {
	source, ok := v.Object()
	if !ok {
		return dialect.Part{}
	}
	image := new(dialect.ImageURL)
	switch source.Text("type") {
	case "base64":
		source.Need("media_type")
		source.Need("data")
		image.URL = dataURL(source.Raw("media_type", `"`), source.Raw("data", `"`))
	case "url":
		source.Need("url")
		image.URL = source.Raw("url", `"`)
	default:
		v.Refuse("is an image that is neither given as base64 nor by its address")
	}
	source.End()
	return dialect.Part{Type: "image_url", ImageURL: image}
}

// dataURL joins two JSON strings to that of a data: URL, without taking the
// image, which may be large, apart.
func dataURL(mediaType, data json.RawMessage) json.RawMessage {
	if mediaType == nil || data == nil {
		return nil
	}
	var b strings.Builder
	for _, piece := range []string{`"data:`, inner(mediaType), `;base64,`, inner(data), `"`} {
		b.WriteString(piece)
	}
	return json.RawMessage(b.String())
}

// inner is a JSON string without its quotes.
func inner(raw json.RawMessage) string { return string(raw[1 : len(raw)-1]) }
