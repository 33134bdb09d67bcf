package responses

import (
	"encoding/json"

	"sealcar/translate/dialect"
)

const (
	notStored = "refers to something stored, and nothing is: send the whole conversation as input"
	noPart    = "has no counterpart in a chat completion"
)

// names are what the API calls members of a chat.
func names() []dialect.Name {
	return []dialect.Name{
		{Chat: "messages", Own: "input"},
		{Chat: "max_tokens", Own: "max_output_tokens"},
		{Chat: "reasoning_effort", Own: "reasoning.effort"},
		{Chat: "verbosity", Own: "text.verbosity"},
		{Chat: "response_format.json_schema", Own: "text.format"},
		{Chat: "response_format", Own: "text.format"},
		{Chat: "tool_choice.function", Own: "tool_choice"},
		{Chat: ".function", Own: ""},
		{Chat: ".image_url.detail", Own: ".detail"},
		{Chat: ".image_url.url", Own: ".image_url"},
		{Chat: ".id", Own: ".call_id"},
		{Chat: ".tool_call_id", Own: ".call_id"},
	}
}

// translate makes the chat of a request, and the reply's echo of its parameters.
func translate(o *dialect.Object, known owned) (*dialect.Chat, dialect.Reply) {
	o.Need("model")
	o.Need("input")
	chat := &dialect.Chat{
		Model:            o.Raw("model", `"`),
		Temperature:      o.Raw("temperature", "0"),
		TopP:             o.Raw("top_p", "0"),
		MaxTokens:        o.Raw("max_output_tokens", "0"),
		ServiceTier:      o.Raw("service_tier", `"`),
		User:             o.Raw("user", `"`),
		SafetyIdentifier: o.Raw("safety_identifier", `"`),
		PromptCacheKey:   o.Raw("prompt_cache_key", `"`),
		Stream:           o.True("stream"),
	}
	if chat.Stream {
		chat.StreamOptions = &dialect.StreamOptions{IncludeUsage: true}
	}
	echo := newResponse(chat)
	echo.Instructions = o.Raw("instructions", `"`)
	echo.Metadata = orElse(o.Raw("metadata", "{"), "{}")
	chat.Messages = messages(echo.Instructions, o, known)
	readTools(o, chat, &echo)
	readText(o, chat, &echo)
	readReasoning(o, chat, &echo)
	if string(o.Raw("store", "t")) == "false" {
		known = owned{} // whoever says so sends items whole
	}
	readArk(o, chat)
	refuse(o)
	o.End()
	kept := echo.detach()
	return chat, &reply{response: echo, streamed: chat.Stream, kept: kept, known: known}
}

// refuse refuses what a stateless translation cannot honour, and leaves out what
// makes no difference to the answer.
func refuse(o *dialect.Object) {
	o.Refuse(notStored, "previous_response_id", "conversation", "prompt")
	o.Refuse("asks for an answer that is kept for later, and nothing is: ask for a stream", "background")
	o.Refuse(noPart, "top_logprobs", "context_management", "moderation", "image", "access_programs", "background_options")
	if o.Text("truncation") == "auto" {
		v, _ := o.Take("truncation")
		v.Refuse("is what the API's own servers do: shorten the input, or leave it out")
	}
	if include, ok := o.Take("include"); ok {
		for _, v := range include.Items() {
			// Agents ask for it as a matter of course, for models that have it.
			if v.Text() != "reasoning.encrypted_content" {
				v.Refuse(noPart)
			}
		}
	}
	o.Drop("stream_options", "max_tool_calls", "prompt_cache_retention", "prompt_cache_options",
		"client_metadata") // what Codex says of itself, beside the metadata
}

// readArk reads what Ark's Responses API has beyond OpenAI's ("Create a response"
// in its reference): how much the model thinks, which a chat of Ark's has too, and
// what concerns stored responses.
func readArk(o *dialect.Object, chat *dialect.Chat) {
	chat.Thinking = kindOf(o, "thinking", func(v dialect.Value, kind string) any {
		if kind != "enabled" && kind != "disabled" && kind != "auto" {
			v.Refuse("is none of enabled, disabled and auto")
		}
		return thinking{kind}
	})
	kindOf(o, "caching", func(v dialect.Value, kind string) any {
		if kind != "disabled" {
			v.Refuse(notStored + ", without caching or with it disabled")
		}
		return nil
	})
	o.Drop("expire_at") // of a response that nobody stores
}

// thinking is Ark's parameter of that name.
type thinking struct {
	Type string `json:"type"`
}

// kindOf reads a parameter that has a type and nothing else that matters.
func kindOf(o *dialect.Object, name string, read func(v dialect.Value, kind string) any) any {
	v, parameter, ok := o.TakeObject(name)
	if !ok {
		return nil
	}
	defer parameter.End()
	return read(v, parameter.Text("type"))
}

// readText reads the form of the answer.
func readText(o *dialect.Object, chat *dialect.Chat, echo *response) {
	v, text, ok := o.TakeObject("text")
	if !ok {
		return
	}
	echo.Text = v.Raw("{")
	chat.Verbosity = text.Raw("verbosity", `"`)
	if format, ok := text.Take("format"); ok {
		chat.ResponseFormat = responseFormat(format)
	}
	text.End()
}

// responseFormat is the chat's form of a format: one level deeper than here.
func responseFormat(v dialect.Value) *dialect.Format {
	format, ok := v.Object()
	if !ok {
		return nil
	}
	defer format.End()
	switch kind := format.Text("type"); kind {
	case "text":
		return nil
	case "json_object":
		return &dialect.Format{Type: kind}
	case "json_schema":
		return &dialect.Format{Type: kind, JSONSchema: &dialect.Schema{
			Name:        format.Raw("name", `"`),
			Description: format.Raw("description", `"`),
			Schema:      format.Raw("schema", "{"),
			Strict:      format.Raw("strict", "t"),
		}}
	default:
		v.Refuse(noPart)
		return nil
	}
}

// readReasoning reads how much the model may think. Summaries cannot be had, but
// what the model thinks comes whole if it comes at all.
func readReasoning(o *dialect.Object, chat *dialect.Chat, echo *response) {
	v, reasoning, ok := o.TakeObject("reasoning")
	if !ok {
		return
	}
	echo.Reasoning = v.Raw("{")
	chat.ReasoningEffort = reasoning.Raw("effort", `"`)
	reasoning.Drop("summary", "generate_summary")
	reasoning.End()
}

func orElse(raw json.RawMessage, otherwise string) json.RawMessage {
	if raw == nil {
		return json.RawMessage(otherwise)
	}
	return raw
}
