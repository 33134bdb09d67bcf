package anthropic

import (
	"encoding/json"
	"net/http"

	"sealcar/apierror"
	"sealcar/translate/dialect"
)

// event is one event of a stream; each type has some of the members.
type event struct {
	Type         string   `json:"type"`
	Message      *message `json:"message,omitempty"`
	Index        *int     `json:"index,omitempty"`
	ContentBlock *block   `json:"content_block,omitempty"`
	Delta        *delta   `json:"delta,omitempty"`
}

// delta is the next piece of a block.
type delta struct {
	Type        string  `json:"type"`
	Text        *string `json:"text,omitempty"`
	Thinking    *string `json:"thinking,omitempty"`
	PartialJSON *string `json:"partial_json,omitempty"`
}

// ending is the delta of the message itself.
type ending struct {
	Type  string `json:"type"`
	Delta struct {
		StopReason   string `json:"stop_reason"`
		StopSequence null   `json:"stop_sequence"`
		StopDetails  null   `json:"stop_details"`
		Container    null   `json:"container"`
	} `json:"delta"`
	Usage usage `json:"usage"`
}

// stream writes the blocks of one stream, one after the other.
type stream struct {
	out   []byte
	begun bool
	next  int    // index of the next block
	open  string // type of the block that is open; "" is none
	call  int    // of an open tool_use: its index in the chat
	calls int    // seen so far
}

func (s *stream) add(e event) { s.out = dialect.AppendEvent(s.out, e.Type, e) }

func (s *stream) begin(c *dialect.Completion) {
	if !s.begun {
		s.begun = true
		m := newMessage(c)
		s.add(event{Type: "message_start", Message: &m})
	}
}

// start opens a block once the one before is closed.
func (s *stream) start(b block) {
	s.stop()
	s.open = b.Type
	s.add(event{Type: "content_block_start", Index: new(s.next), ContentBlock: &b})
}

func (s *stream) stop() {
	if s.open != "" {
		s.add(event{Type: "content_block_stop", Index: new(s.next)})
		s.open = ""
		s.next++
	}
}

func (s *stream) piece(d delta) {
	s.add(event{Type: "content_block_delta", Index: new(s.next), Delta: &d})
}

func (s *stream) text(text string) {
	if text == "" {
		return
	}
	if s.open != "text" {
		s.start(textBlock(""))
	}
	s.piece(delta{Type: "text_delta", Text: &text})
}

func (s *stream) thought(text string) {
	if text == "" {
		return
	}
	if s.open != "thinking" {
		s.start(thoughtBlock(""))
	}
	s.piece(delta{Type: "thinking_delta", Thinking: &text})
}

// toolUse adds a piece of a call. Blocks follow each other, so a call whose block
// is closed cannot go on.
func (s *stream) toolUse(position int, piece dialect.CallDelta) error {
	if piece.Index != nil {
		position = *piece.Index
	}
	if s.open != "tool_use" || s.call != position {
		if position < s.calls {
			return apierror.BadReply("reply_unreadable", "the upstream's stream goes on with a call after it has begun another", nil)
		}
		s.call, s.calls = position, position+1
		s.start(callBlock(piece, json.RawMessage("{}")))
	}
	if arguments := piece.Function.Arguments; arguments != "" {
		s.piece(delta{Type: "input_json_delta", PartialJSON: &arguments})
	}
	return nil
}

// Chunk implements dialect.Reply.
func (r *reply) Chunk(dst []byte, c *dialect.Completion) ([]byte, error) {
	r.stream.out = dst
	r.stream.begin(c)
	if c.Usage != nil {
		r.usage = usageOf(c.Usage)
	}
	if len(c.Choices) == 0 {
		return r.stream.out, nil
	}
	said := c.Choices[0].Delta
	if r.thinks {
		r.stream.thought(said.Reasoning)
	}
	r.stream.text(said.Content)
	r.stream.text(said.Refusal)
	for i, piece := range said.ToolCalls {
		if err := r.stream.toolUse(i, piece); err != nil {
			return nil, err
		}
	}
	if finish := c.Choices[0].FinishReason; finish != "" {
		r.finish = finish
		r.stream.stop()
	}
	return r.stream.out, nil
}

// Done implements dialect.Reply.
func (r *reply) Done(dst []byte) ([]byte, error) {
	if r.finish == "" {
		return nil, dialect.Unfinished()
	}
	r.stream.out = dst
	r.stream.stop()
	end := ending{Type: "message_delta", Usage: r.usage}
	end.Delta.StopReason = stopReason(r.finish, r.stream.calls > 0)
	r.stream.out = dialect.AppendEvent(r.stream.out, end.Type, end)
	r.stream.add(event{Type: "message_stop"})
	return r.stream.out, nil
}

// Kept implements dialect.Reply: nothing is said twice.
func (r *reply) Kept(int64) int64 { return 0 }

// Fail implements dialect.Reply.
func (r *reply) Fail(dst []byte, f dialect.Fault) []byte {
	return dialect.AppendEvent(dst, "error", failureOf(http.StatusBadGateway, f))
}
