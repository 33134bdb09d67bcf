package dialect

import (
	"bytes"
	"encoding/json"

	"sealcar/rewrite"
)

// Chat is the request of a chat completion (OpenAI API reference, "Create chat
// completion"). What an application wrote is kept as its JSON text, so numbers,
// strings and schemas arrive as they were written.
type Chat struct {
	Model             json.RawMessage `json:"model"`
	Messages          []Message       `json:"messages"`
	Tools             []Tool          `json:"tools,omitempty"`
	ToolChoice        any             `json:"tool_choice,omitempty"` // a word, or a ToolChoice
	ParallelToolCalls json.RawMessage `json:"parallel_tool_calls,omitempty"`
	ResponseFormat    *Format         `json:"response_format,omitempty"`
	MaxTokens         json.RawMessage `json:"max_tokens,omitempty"`
	Temperature       json.RawMessage `json:"temperature,omitempty"`
	TopP              json.RawMessage `json:"top_p,omitempty"`
	Stop              json.RawMessage `json:"stop,omitempty"`
	ReasoningEffort   json.RawMessage `json:"reasoning_effort,omitempty"`
	Thinking          any             `json:"thinking,omitempty"` // Ark's
	Verbosity         json.RawMessage `json:"verbosity,omitempty"`
	ServiceTier       json.RawMessage `json:"service_tier,omitempty"`
	User              json.RawMessage `json:"user,omitempty"`
	SafetyIdentifier  json.RawMessage `json:"safety_identifier,omitempty"`
	PromptCacheKey    json.RawMessage `json:"prompt_cache_key,omitempty"`
	Stream            bool            `json:"stream,omitempty"`
	StreamOptions     *StreamOptions  `json:"stream_options,omitempty"`
}

// StreamOptions ask for the usage at a stream's end.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// Message is one message of a chat.
type Message struct {
	From        string          `json:"-"` // its place in the request; "" if it has none there
	ContentFrom string          `json:"-"` // that of its content: From itself where a message is no more than that
	Role        string          `json:"role"`
	Content     any             `json:"content"` // a string's JSON text, a list of parts, or nil for null
	ToolCalls   []ToolCall      `json:"tool_calls,omitempty"`
	ToolCallID  json.RawMessage `json:"tool_call_id,omitempty"`
}

// Part is one part of a message's content.
type Part struct {
	From     string          `json:"-"`    // its place in the request; "" if it has none there
	Type     string          `json:"type"` // text, image_url
	Text     json.RawMessage `json:"text,omitempty"`
	ImageURL *ImageURL       `json:"image_url,omitempty"`
}

// ImageURL is an image: a data: URL, or an address.
type ImageURL struct {
	URL    json.RawMessage `json:"url"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// TextPart is a part with a string, which is given as its JSON text.
func TextPart(text json.RawMessage) Part { return Part{Type: "text", Text: text} }

// Content is a message's content: a single text as a string, for not every server
// takes parts in every role.
func Content(parts []Part) any {
	switch {
	case len(parts) == 0:
		return json.RawMessage(`""`)
	case len(parts) == 1 && parts[0].Text != nil:
		return parts[0].Text
	default:
		return parts // encoded once, with all the rest: an image may be large
	}
}

// ToolCall is a call of a function, as the model made it.
type ToolCall struct {
	From     string          `json:"-"` // its place in the request; "" if it has none there
	ID       json.RawMessage `json:"id"`
	Type     string          `json:"type"` // function
	Function FunctionCall    `json:"function"`
}

// FunctionCall names the function and its arguments, the JSON text of a string.
type FunctionCall struct {
	Name      json.RawMessage `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Tool is a function that the model may call.
type Tool struct {
	Type     string   `json:"type"` // function
	Function Function `json:"function"`
}

// Function describes a function.
type Function struct {
	Name        json.RawMessage `json:"name"`
	Description json.RawMessage `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      json.RawMessage `json:"strict,omitempty"`
}

// ToolChoice wants one function to be called.
type ToolChoice struct {
	Type     string   `json:"type"` // function
	Function Function `json:"function"`
}

// CallOf is the choice of the function with this name.
func CallOf(name json.RawMessage) ToolChoice {
	return ToolChoice{Type: "function", Function: Function{Name: name}}
}

// Format is a response_format.
type Format struct {
	Type       string  `json:"type"` // json_object, json_schema
	JSONSchema *Schema `json:"json_schema,omitempty"`
}

// Schema is what an answer has to fit.
type Schema struct {
	Name        json.RawMessage `json:"name,omitempty"`
	Description json.RawMessage `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      json.RawMessage `json:"strict,omitempty"`
}

// Completion is the reply to a chat: whole, or one chunk of a stream.
type Completion struct {
	ID          string          `json:"id"`
	Created     float64         `json:"created"` // Unix seconds; some servers give fractions
	Model       string          `json:"model"`
	Choices     []Choice        `json:"choices"`
	Usage       *Usage          `json:"usage"`
	ServiceTier json.RawMessage `json:"service_tier"`
	Error       json.RawMessage `json:"error"`
}

// Choice is one answer. A whole completion has a Message, a chunk a Delta.
type Choice struct {
	Index        int    `json:"index"`
	Message      Delta  `json:"message"`
	Delta        Delta  `json:"delta"`
	FinishReason string `json:"finish_reason"` // "" while it goes on
}

// Delta is a message, or the next piece of one.
type Delta struct {
	Content   string      `json:"content"`
	Refusal   string      `json:"refusal"`
	Reasoning string      `json:"reasoning_content"` // Ark's
	ToolCalls []CallDelta `json:"tool_calls"`
}

// CallDelta is a call of a function, or the next piece of one; the pieces of one
// call have its index in common.
type CallDelta struct {
	Index    *int   `json:"index"` // nil in a whole message
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// Usage counts tokens.
type Usage struct {
	Prompt        int64 `json:"prompt_tokens"`
	Completion    int64 `json:"completion_tokens"`
	Total         int64 `json:"total_tokens"`
	PromptDetails struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// Encode writes v as JSON with only the escapes that JSON requires.
func Encode(v any) []byte { return appendJSON(nil, v) }

// AppendEvent appends one event of a stream (WHATWG HTML, section 9.2) with v as
// its data, which is one line to every reader.
func AppendEvent(dst []byte, name string, v any) []byte {
	dst = append(dst, "event: "+name+"\ndata: "...)
	start := len(dst)
	dst = appendJSON(dst, v)
	line, _ := rewrite.OneLine(dst[start:])
	return append(append(dst[:start], line...), "\n\n"...)
}

func appendJSON(dst []byte, v any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // v is of the types above and of JSON text that was read strictly
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
