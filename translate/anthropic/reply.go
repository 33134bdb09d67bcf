package anthropic

import (
	"encoding/json"
	"strings"

	"sealcar/apierror"
	"sealcar/translate/dialect"
)

// null is a member that every reply of the API has, and that nothing in a chat
// answers to.
type null = *struct{}

// message is the API's message object.
type message struct {
	ID           string       `json:"id"`
	Type         string       `json:"type"`
	Role         string       `json:"role"`
	Model        string       `json:"model"`
	Content      []block      `json:"content"`
	StopReason   *string      `json:"stop_reason"`
	StopSequence null         `json:"stop_sequence"` // a chat does not tell which it was
	StopDetails  null         `json:"stop_details"`
	Container    null         `json:"container"`
	Diagnostics  null         `json:"diagnostics"`
	Usage        messageUsage `json:"usage"`
}

// block is one block of a message's content; each type has some of the members.
type block struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text,omitempty"`
	Citations json.RawMessage `json:"citations,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	Caller    *caller         `json:"caller,omitempty"`
}

// caller is who called a tool: here it is always the model itself.
type caller struct {
	Type string `json:"type"` // direct
}

// usage counts tokens, as the end of a stream does.
type usage struct {
	InputTokens   int64    `json:"input_tokens"` // without those from the cache
	OutputTokens  int64    `json:"output_tokens"`
	CacheRead     int64    `json:"cache_read_input_tokens"`
	CacheCreation int64    `json:"cache_creation_input_tokens"`
	OutputDetails *details `json:"output_tokens_details"` // null where the model server tells none
	ServerToolUse null     `json:"server_tool_use"`
}

type details struct {
	Thinking int64 `json:"thinking_tokens"`
}

// messageUsage is what a message has of it.
type messageUsage struct {
	usage

	CacheLifetimes null `json:"cache_creation"`
	InferenceGeo   null `json:"inference_geo"`
	ServiceTier    null `json:"service_tier"`
	Speed          null `json:"speed"`
}

func usageOf(u *dialect.Usage) usage {
	cached := min(u.PromptDetails.Cached, u.Prompt)
	counts := usage{InputTokens: u.Prompt - cached, OutputTokens: u.Completion, CacheRead: cached}
	if thought := u.CompletionDetails.Reasoning; thought > 0 {
		counts.OutputDetails = &details{thought}
	}
	return counts
}

// reply turns one reply back.
type reply struct {
	thinks bool // the application wants to see what the model thinks

	stream stream
	usage  usage
	finish string // the chat's finish_reason
}

// Document implements dialect.Reply.
func (r *reply) Document(c *dialect.Completion) ([]byte, error) {
	if len(c.Choices) == 0 || c.Choices[0].FinishReason == "" {
		return nil, dialect.Unfinished()
	}
	m, called := newMessage(c), false
	said, finish := c.Choices[0].Message, c.Choices[0].FinishReason
	if r.thinks && said.Reasoning != "" {
		m.Content = append(m.Content, thoughtBlock(said.Reasoning))
	}
	if text := said.Content + said.Refusal; text != "" {
		m.Content = append(m.Content, textBlock(text))
	}
	for _, call := range said.ToolCalls {
		input, err := inputOf(call)
		if err != nil {
			if finish == cutShort {
				break // in the middle of this call, which stop_reason tells
			}
			return nil, err
		}
		m.Content = append(m.Content, callBlock(call, input))
		called = true
	}
	if c.Usage != nil {
		m.Usage.usage = usageOf(c.Usage)
	}
	m.StopReason = new(stopReason(finish, called))
	return dialect.Encode(m), nil
}

func newMessage(c *dialect.Completion) message {
	return message{ID: "msg_" + strings.TrimPrefix(c.ID, "chatcmpl-"), Type: "message", Role: "assistant", Model: c.Model, Content: []block{}}
}

func textBlock(text string) block {
	return block{Type: "text", Text: &text, Citations: json.RawMessage("null")}
}

// thoughtBlock has no signature: nobody vouches for what came in clear, and it is
// left out when it comes back.
func thoughtBlock(text string) block {
	return block{Type: "thinking", Thinking: &text, Signature: new("")}
}

func callBlock(call dialect.CallDelta, input json.RawMessage) block {
	return block{Type: "tool_use", ID: call.ID, Name: call.Function.Name, Input: input, Caller: &caller{"direct"}}
}

// inputOf is what a call hands to its tool: an object.
func inputOf(call dialect.CallDelta) (json.RawMessage, error) {
	input := []byte(call.Function.Arguments)
	if len(input) == 0 {
		input = []byte("{}")
	}
	if !json.Valid(input) || !strings.HasPrefix(strings.TrimLeft(string(input), " \t\r\n"), "{") {
		return nil, noObject()
	}
	return input, nil
}

// cutShort is the finish_reason of what max_tokens ended.
const cutShort = "length"

// stopReason is the API's word for a chat's finish_reason. A chat whose request
// forced the call may end with "stop", where this API has tool_use: loops look for
// it.
func stopReason(finish string, called bool) string {
	switch finish {
	case cutShort:
		return "max_tokens"
	case "content_filter":
		return "refusal"
	case "tool_calls", "function_call":
		return "tool_use"
	default:
		if called {
			return "tool_use"
		}
		return "end_turn"
	}
}

func noObject() error {
	return apierror.BrokenReply("reply_unreadable", "the model called a tool with arguments that are no JSON object; try again", nil)
}
