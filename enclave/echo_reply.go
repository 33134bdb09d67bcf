package enclave

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// echoReply is everything there is to say to one request.
type echoReply struct {
	id      string
	created int64
	request *echoRequest
	answer  echoAnswer
}

// echoDocument is a chat.completion, or a chat.completion.chunk.
type echoDocument struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []echoChoice `json:"choices"`
	Usage   *echoUsage   `json:"usage,omitempty"`
}

type echoChoice struct {
	Index        int        `json:"index"`
	Message      *echoSaid  `json:"message,omitempty"`
	Delta        *echoDelta `json:"delta,omitempty"`
	FinishReason *string    `json:"finish_reason"`
}

type echoSaid struct {
	Role      string         `json:"role"`
	Content   *string        `json:"content"` // null beside tool calls
	ToolCalls []echoToolCall `json:"tool_calls,omitempty"`
}

type echoDelta struct {
	Role      string         `json:"role,omitempty"`
	Content   *string        `json:"content,omitempty"`
	ToolCalls []echoToolCall `json:"tool_calls,omitempty"`
}

type echoToolCall struct {
	Index    *int             `json:"index,omitempty"` // in deltas only
	ID       string           `json:"id,omitempty"`
	Type     string           `json:"type,omitempty"`
	Function echoFunctionCall `json:"function"`
}

type echoFunctionCall struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type echoUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// usage counts words as tokens.
func (r echoReply) usage() *echoUsage {
	u := &echoUsage{PromptTokens: r.request.promptWords(), CompletionTokens: len(r.answer.words) * r.request.choices()}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}

func (r echoReply) document(object string, choices []echoChoice) echoDocument {
	return echoDocument{ID: r.id, Object: object, Created: r.created, Model: r.request.Model, Choices: choices}
}

// completion is the reply in one piece.
func (r echoReply) completion() echoDocument {
	text := r.answer.text()
	message := echoSaid{Role: "assistant", Content: &text}
	if call := r.answer.call; call != nil {
		message.Content = nil
		message.ToolCalls = []echoToolCall{{
			ID: call.id, Type: "function",
			Function: echoFunctionCall{Name: call.function, Arguments: text},
		}}
	}
	choices := make([]echoChoice, r.request.choices())
	for i := range choices {
		choices[i] = echoChoice{Index: i, Message: &message, FinishReason: &r.answer.finish}
	}
	d := r.document("chat.completion", choices)
	d.Usage = r.usage()
	return d
}

// stream sends the reply word by word, the choices in turn: their roles, their
// words, their ends, then the usage if it is asked for.
func (e echo) stream(ctx context.Context, w http.ResponseWriter, r echoReply) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	s := echoStream{w: w, control: http.NewResponseController(w), reply: r}
	if s.each(r.answer.opening(), nil) != nil {
		return
	}
	for _, word := range r.answer.words {
		if wait(ctx, e.delay) != nil || s.each(r.answer.piece(word), nil) != nil {
			return // the client is gone
		}
	}
	if s.each(echoDelta{}, &r.answer.finish) != nil {
		return
	}
	if r.request.StreamOptions.IncludeUsage {
		d := r.document("chat.completion.chunk", []echoChoice{})
		d.Usage = r.usage()
		if s.send(d) != nil {
			return
		}
	}
	_ = s.event("[DONE]")
}

// opening is the first delta of a choice.
func (a echoAnswer) opening() echoDelta {
	if a.call == nil {
		return echoDelta{Role: "assistant", Content: new("")}
	}
	return echoDelta{Role: "assistant", ToolCalls: []echoToolCall{{
		Index: new(0), ID: a.call.id, Type: "function",
		Function: echoFunctionCall{Name: a.call.function},
	}}}
}

// piece is the delta that brings a word.
func (a echoAnswer) piece(word string) echoDelta {
	if a.call == nil {
		return echoDelta{Content: &word}
	}
	return echoDelta{ToolCalls: []echoToolCall{{Index: new(0), Function: echoFunctionCall{Arguments: word}}}}
}

// echoStream writes events. An error means that the client is gone.
type echoStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	reply   echoReply
}

// each sends the delta for every choice, each in a chunk of its own.
func (s echoStream) each(delta echoDelta, finish *string) error {
	for i := range s.reply.request.choices() {
		chunk := s.reply.document("chat.completion.chunk", []echoChoice{{Index: i, Delta: &delta, FinishReason: finish}})
		if err := s.send(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (s echoStream) send(d echoDocument) error {
	b, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encoding a chunk: %w", err)
	}
	return s.event(string(b))
}

func (s echoStream) event(data string) error {
	if _, err := fmt.Fprintf(s.w, "data: %s\n\n", data); err != nil {
		return err
	}
	return s.control.Flush()
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
