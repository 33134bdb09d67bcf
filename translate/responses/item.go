package responses

import (
	"encoding/json"
	"strings"
)

// kind is what an item of the output is, and how its text is told.
type kind struct {
	prefix string // of its id
	item   string // its type
	part   string // the type of its one part; "" for a call, which has none
	piece  string // the event that brings a piece of its text
	whole  string // the event that brings all of it
}

//nolint:gochecknoglobals // immutable
var (
	answer    = &kind{"msg_", "message", "output_text", "response.output_text.delta", "response.output_text.done"}
	refusal   = &kind{"msg_", "message", "refusal", "response.refusal.delta", "response.refusal.done"}
	reasoning = &kind{"rs_", "reasoning", "reasoning_text", "response.reasoning_text.delta", "response.reasoning_text.done"}
	call      = &kind{"fc_", "function_call", "", "response.function_call_arguments.delta", "response.function_call_arguments.done"}

	noList = json.RawMessage(`[]`)
)

// item is one item of the output while it is put together.
type item struct {
	*kind
	id     string
	index  int // in the output
	status string
	text   strings.Builder // of its part, or the arguments of a call

	callIndex    int // a call's, in the chat
	callID, name string
}

// The items as the API has them.
type messageItem struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Role    string `json:"role"`
	Content []part `json:"content"`
}

type reasoningItem struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Status  string          `json:"status"`
	Summary json.RawMessage `json:"summary"`
	Content []part          `json:"content"`
}

type callItem struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Status    string `json:"status"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// part is one part of an item's content.
type part struct {
	Type        string          `json:"type"`
	Text        *string         `json:"text,omitempty"`
	Refusal     *string         `json:"refusal,omitempty"`
	Annotations json.RawMessage `json:"annotations,omitempty"`
	Logprobs    json.RawMessage `json:"logprobs,omitempty"`
}

func (k *kind) partWith(text string) *part {
	switch k {
	case refusal:
		return &part{Type: k.part, Refusal: &text}
	case answer:
		return &part{Type: k.part, Text: &text, Annotations: noList, Logprobs: noList}
	default:
		return &part{Type: k.part, Text: &text}
	}
}

// document is the item as it stands.
func (i *item) document() any {
	if i.kind == call {
		return callItem{ID: i.id, Type: i.item, Status: i.status, CallID: i.callID, Name: i.name, Arguments: i.text.String()}
	}
	content := []part{}
	if i.text.Len() > 0 {
		content = append(content, *i.partWith(i.text.String()))
	}
	if i.kind == reasoning {
		return reasoningItem{ID: i.id, Type: i.item, Status: i.status, Summary: noList, Content: content}
	}
	return messageItem{ID: i.id, Type: i.item, Status: i.status, Role: "assistant", Content: content}
}
