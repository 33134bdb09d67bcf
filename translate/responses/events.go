package responses

import (
	"encoding/json"

	"sealcar/translate/dialect"
)

// event is one event of a stream; each type has some of the members (API
// reference, "Streaming events").
type event struct {
	Type           string          `json:"type"`
	SequenceNumber int             `json:"sequence_number"` // from 0, without gaps
	Response       *response       `json:"response,omitempty"`
	OutputIndex    *int            `json:"output_index,omitempty"`
	ContentIndex   *int            `json:"content_index,omitempty"`
	ItemID         string          `json:"item_id,omitempty"`
	Item           any             `json:"item,omitempty"`
	Part           *part           `json:"part,omitempty"`
	Delta          *string         `json:"delta,omitempty"`
	Text           *string         `json:"text,omitempty"`
	Refusal        *string         `json:"refusal,omitempty"`
	Name           string          `json:"name,omitempty"`
	Arguments      *string         `json:"arguments,omitempty"`
	Logprobs       json.RawMessage `json:"logprobs,omitempty"`

	// Of an error event. The API has the first three; the SDKs throw an exception
	// for the last.
	Code    *string     `json:"code,omitempty"`
	Message string      `json:"message,omitempty"`
	Param   *string     `json:"param,omitempty"`
	Error   *eventError `json:"error,omitempty"`
}

type eventError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    string `json:"code"`
	Param   string `json:"param,omitempty"`
}

// events writes the events of one stream.
type events struct {
	out   []byte
	next  int  // sequence number
	muted bool // nobody reads them
}

func (e *events) add(ev *event) {
	if e.muted {
		return
	}
	ev.SequenceNumber = e.next
	e.next++
	e.out = dialect.AppendEvent(e.out, ev.Type, ev)
}

// of is an event about an item, or about its part.
func of(i *item, kind string) *event { return &event{Type: kind, OutputIndex: &i.index, ItemID: i.id} }

func ofPart(i *item, kind string) *event {
	ev := of(i, kind)
	if i.part != "" {
		ev.ContentIndex = new(0)
	}
	if i.kind == answer && (kind == i.piece || kind == i.whole) {
		ev.Logprobs = noList
	}
	return ev
}

func (e *events) added(i *item) {
	if e.muted {
		return
	}
	e.add(&event{Type: "response.output_item.added", OutputIndex: &i.index, Item: i.document()})
	if i.part != "" {
		ev := ofPart(i, "response.content_part.added")
		ev.Part = i.partWith("")
		e.add(ev)
	}
}

func (e *events) delta(i *item, text string) {
	ev := ofPart(i, i.piece)
	ev.Delta = &text
	e.add(ev)
}

func (e *events) done(i *item) {
	if e.muted {
		return
	}
	text := i.text.String()
	ev := ofPart(i, i.whole)
	switch i.kind {
	case call:
		ev.Name, ev.Arguments = i.name, &text
	case refusal:
		ev.Refusal = &text
	default:
		ev.Text = &text
	}
	e.add(ev)
	if i.part != "" {
		ev := ofPart(i, "response.content_part.done")
		ev.Part = i.partWith(text)
		e.add(ev)
	}
	e.add(&event{Type: "response.output_item.done", OutputIndex: &i.index, Item: i.document()})
}

func (e *events) fail(f dialect.Fault) {
	ev := &event{Type: "error", Code: &f.Code, Message: f.Message, Error: &eventError{Message: f.Message, Type: f.Type, Code: f.Code, Param: f.Param}}
	if f.Param != "" {
		ev.Param = &f.Param
	}
	e.add(ev)
}
