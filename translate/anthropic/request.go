package anthropic

import (
	"encoding/json"

	"sealcar/apierror"
	"sealcar/translate/dialect"
)

const noPart = "has no counterpart in a chat completion"

// names are what the API calls members of a chat.
func names() []dialect.Name {
	return []dialect.Name{
		{Chat: "stop", Own: "stop_sequences"},
		{Chat: "reasoning_effort", Own: "output_config.effort"},
		{Chat: "response_format.json_schema", Own: "output_config.format"},
		{Chat: "response_format", Own: "output_config.format"},
		{Chat: "parallel_tool_calls", Own: "tool_choice.disable_parallel_tool_use"},
		{Chat: "tool_choice.function", Own: "tool_choice"},
		{Chat: ".function.parameters", Own: ".input_schema"},
		{Chat: ".function.arguments", Own: ".input"},
		{Chat: ".function", Own: ""},
		{Chat: ".image_url.url", Own: ".source.url"}, // what is given as base64 is sealed, so it is refused nowhere
		{Chat: ".tool_call_id", Own: ".tool_use_id"},
	}
}

// translate makes the chat of a request, and what turns its reply back.
func translate(o *dialect.Object) (*dialect.Chat, dialect.Reply) {
	for _, name := range []string{"model", "messages", "max_tokens"} {
		o.Need(name)
	}
	chat := &dialect.Chat{
		Model:       o.Raw("model", `"`),
		MaxTokens:   o.Raw("max_tokens", "0"),
		Temperature: o.Raw("temperature", "0"),
		TopP:        o.Raw("top_p", "0"),
		Stop:        o.Raw("stop_sequences", "["),
		Stream:      o.True("stream"),
	}
	if chat.Stream {
		chat.StreamOptions = &dialect.StreamOptions{IncludeUsage: true}
	}
	chat.Messages = messages(o)
	readTools(o, chat)
	thinks := readThinking(o, chat)
	readOutput(o, chat)
	readService(o, chat)
	readContextManagement(o)
	if v, ok := o.Take("thread"); ok {
		v.Fail(apierror.BadRequest("thread_unsupported", v.Path(), "nothing was sent, for thread has the API keep the conversation, and nothing is kept: send the whole conversation without it, as the SDKs' tool runners do by themselves"))
	}
	o.Refuse(noPart, "top_k", "container", "mcp_servers", "inference_geo", "diagnostics")
	// Who the user is, and what is to be cached, makes no difference to the answer.
	o.Drop("metadata", "cache_control")
	o.End()
	return chat, &reply{thinks: thinks}
}

// thinking is Ark's parameter of that name.
type thinking struct {
	Type string `json:"type"`
}

// readThinking reads whether the model may think, and tells whether the
// application wants to see it.
func readThinking(o *dialect.Object, chat *dialect.Chat) (wanted bool) {
	v, t, ok := o.TakeObject("thinking")
	if !ok {
		return false
	}
	kind := t.Text("type")
	switch kind {
	case "enabled", "disabled":
		chat.Thinking = thinking{kind}
	case "adaptive":
		chat.Thinking = thinking{"auto"}
	default:
		v.Refuse(noPart)
	}
	t.Drop("budget_tokens") // nobody else has one
	display := t.Text("display")
	t.End()
	return kind != "disabled" && display != "omitted"
}

// readOutput reads the form of the answer.
func readOutput(o *dialect.Object, chat *dialect.Chat) {
	_, config, ok := o.TakeObject("output_config")
	if !ok {
		return
	}
	chat.ReasoningEffort = config.Raw("effort", `"`)
	if v, ok := config.Take("format"); ok {
		chat.ResponseFormat = responseFormat(v)
	}
	config.End()
}

func responseFormat(v dialect.Value) *dialect.Format {
	format, ok := v.Object()
	if !ok {
		return nil
	}
	if format.Text("type") != "json_schema" {
		v.Refuse(noPart)
		return nil
	}
	format.Need("schema")
	defer format.End()
	return &dialect.Format{Type: "json_schema", JSONSchema: &dialect.Schema{
		Name:   json.RawMessage(`"answer"`), // a chat wants one
		Schema: format.Raw("schema", "{"),
		Strict: json.RawMessage(`true`), // as it always is in this API
	}}
}

func readService(o *dialect.Object, chat *dialect.Chat) {
	if v, ok := o.Take("service_tier"); ok && v.Text() == "standard_only" {
		chat.ServiceTier = json.RawMessage(`"default"`)
	}
	if v, ok := o.Take("speed"); ok && v.Text() != "standard" {
		v.Refuse(noPart)
	}
}
