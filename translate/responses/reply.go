package responses

import (
	"strconv"
	"strings"

	"sealcar/translate/dialect"
)

// reply turns one reply back: the pieces of the chat's message become items of
// the output. A whole message is one piece, whose events nobody reads.
type reply struct {
	response response
	streamed bool
	kept     int64 // bytes of the request, in response
	known    owned // what can be referred to later

	begun  bool
	finish string // the chat's finish_reason
	items  []*item
	spoken *item // the item that is being said; calls stand beside it
	events events
}

// Document implements dialect.Reply.
func (r *reply) Document(c *dialect.Completion) ([]byte, error) {
	r.take(c, func(choice *dialect.Choice) dialect.Delta { return choice.Message })
	if r.finish == "" {
		return nil, dialect.Unfinished()
	}
	r.conclude()
	return dialect.Encode(r.response), nil
}

// Chunk implements dialect.Reply.
func (r *reply) Chunk(dst []byte, c *dialect.Completion) ([]byte, error) {
	r.events.out = dst
	r.take(c, func(choice *dialect.Choice) dialect.Delta { return choice.Delta })
	return r.events.out, nil
}

// Done implements dialect.Reply.
func (r *reply) Done(dst []byte) ([]byte, error) {
	if r.finish == "" {
		return nil, dialect.Unfinished()
	}
	r.events.out = dst
	r.conclude()
	r.tell("response." + r.response.Status)
	return r.events.out, nil
}

// Fail implements dialect.Reply. The SDKs take any event with an error member for
// an exception; others look for response.failed.
func (r *reply) Fail(dst []byte, f dialect.Fault) []byte {
	r.events.out = dst
	r.begin(new(dialect.Completion))
	r.response.Status = failed
	r.response.Error = &responseError{Code: serverError, Message: f.Message}
	r.collect()
	r.tell("response.failed")
	r.events.fail(f)
	return r.events.out
}

// Kept implements dialect.Reply: the last event has all of the response.
func (r *reply) Kept(said int64) int64 { return r.kept + said }

// take takes in a document of the reply.
func (r *reply) take(c *dialect.Completion, delta func(*dialect.Choice) dialect.Delta) {
	r.begin(c)
	r.response.count(c.Usage)
	if len(c.Choices) == 0 {
		return
	}
	d := delta(&c.Choices[0])
	r.say(reasoning, d.Reasoning)
	r.say(answer, d.Content)
	r.say(refusal, d.Refusal)
	for i, piece := range d.ToolCalls {
		r.call(i, piece)
	}
	if finish := c.Choices[0].FinishReason; finish != "" {
		r.finish = finish
		r.close(finish)
	}
}

// begin tells of the response when its first document has come.
func (r *reply) begin(c *dialect.Completion) {
	if r.begun {
		return
	}
	r.begun = true
	r.events.muted = !r.streamed
	r.response.identify(c)
	r.tell("response.created")
	r.tell("response.in_progress")
}

func (r *reply) tell(what string) { r.events.add(&event{Type: what, Response: &r.response}) }

// say adds a piece of text to the item of its kind, which begins where another
// kind was said before.
func (r *reply) say(k *kind, text string) {
	if text == "" {
		return
	}
	if r.spoken == nil || r.spoken.kind != k {
		r.hush(completed)
		r.spoken = r.open(&item{kind: k})
	}
	r.spoken.text.WriteString(text)
	r.events.delta(r.spoken, text)
}

// call adds a piece of a call. Calls stay open to the end, for a chat may bring
// their pieces in turns.
func (r *reply) call(position int, piece dialect.CallDelta) {
	if piece.Index != nil {
		position = *piece.Index
	}
	r.hush(completed)
	i := r.callAt(position)
	if i == nil {
		i = r.open(&item{kind: call, callIndex: position, callID: piece.ID, name: piece.Function.Name})
	}
	if piece.Function.Arguments != "" {
		i.text.WriteString(piece.Function.Arguments)
		r.events.delta(i, piece.Function.Arguments)
	}
}

func (r *reply) callAt(position int) *item {
	for _, i := range r.items {
		if i.kind == call && i.callIndex == position && i.status == inProgress {
			return i
		}
	}
	return nil
}

// open begins an item.
func (r *reply) open(i *item) *item {
	i.index, i.status = len(r.items), inProgress
	i.id = i.prefix + strings.TrimPrefix(r.response.ID, "resp_") + "_" + strconv.Itoa(i.index)
	r.items = append(r.items, i)
	r.events.added(i)
	return i
}

// hush ends the item that is being said.
func (r *reply) hush(status string) {
	if r.spoken != nil {
		r.end(r.spoken, status)
		r.spoken = nil
	}
}

// close ends all items. One that was cut short is the last.
func (r *reply) close(finish string) {
	status := completed
	if finish == "length" || finish == "content_filter" {
		status = incomplete
	}
	r.hush(status)
	for _, i := range r.items {
		if i.status == inProgress {
			r.end(i, status)
		}
	}
}

func (r *reply) end(i *item, status string) {
	i.status = status
	r.known.remember(i)
	r.events.done(i)
}

func (r *reply) conclude() {
	r.response.conclude(r.finish)
	r.collect()
}

// collect puts the items into the response.
func (r *reply) collect() {
	r.response.Output = []any{}
	for _, i := range r.items {
		r.response.Output = append(r.response.Output, i.document())
	}
}
