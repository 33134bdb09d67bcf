package dialect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
)

// turning turns one reply back.
type turning struct {
	reply  Reply
	record *exchange.Record
	limit  int64               // of what a stream says
	keep   func(n int64) error // asked before n bytes are kept for the reply

	said   int64
	done   bool // [DONE] has come
	failed bool // an error has come, and been told
}

func (t *turning) timed(start time.Time) { t.record.Open += time.Since(start) }

// document turns a whole reply back, unless it has failed.
func (t *turning) document(doc []byte) ([]byte, error) {
	defer t.timed(time.Now())
	c, err := completion(doc)
	if err != nil {
		return nil, err
	}
	if t.failed = c.isError(); t.failed {
		return nil, nil
	}
	if err := t.keep(t.reply.Kept(0) + int64(len(doc))); err != nil {
		return nil, err
	}
	return t.reply.Document(c)
}

// event turns the data of one event of a stream into the events it becomes.
func (t *turning) event(dst, data []byte) ([]byte, error) {
	defer t.timed(time.Now())
	switch {
	case t.done:
		return nil, apierror.BadReply("reply_after_done", "the upstream sent more after [DONE]", nil)
	case string(data) == payload.EndOfStream:
		t.done = true
		if t.failed {
			return dst, nil
		}
		return t.reply.Done(dst)
	}
	c, err := completion(data)
	switch {
	case err != nil:
		return nil, err
	case t.failed:
		return dst, nil
	case c.isError():
		t.failed = true
		return t.reply.Fail(dst, faultOf(c.Error)), nil
	}
	if t.said += c.size(); t.said > t.limit {
		return nil, apierror.BadReply("reply_too_large", fmt.Sprintf("the upstream's stream says more than %d bytes; raise limits.reply_bytes", t.limit), nil)
	}
	if err := t.keep(t.reply.Kept(t.said)); err != nil {
		return nil, err
	}
	return t.reply.Chunk(dst, c)
}

// end ends a stream: cleanly only after [DONE], or after the upstream has told of
// an error. Else the application gets the API's error event, and then a broken
// connection, so that it takes nothing for complete.
func (t *turning) end(dst []byte, err error) ([]byte, error) {
	clean := errors.Is(err, io.EOF)
	switch {
	case clean && (t.done || t.failed), t.failed:
		return dst, err
	case clean:
		err = apierror.BrokenReply("reply_truncated", "the upstream's stream ended before [DONE]; what came so far is incomplete", io.ErrUnexpectedEOF)
	}
	e := apierror.From(err, "reply_truncated", "the upstream's stream broke off; what came so far is incomplete")
	t.failed = true
	return t.reply.Fail(dst, Fault{Message: e.Message, Type: apierror.Type, Code: e.Code, Param: e.Param}), e
}

// completion reads a document of a reply.
func completion(doc []byte) (*Completion, error) {
	c := new(Completion)
	if err := json.Unmarshal(doc, c); err != nil {
		return nil, apierror.BadReply("reply_unreadable", "the upstream's reply is no chat completion", err)
	}
	for i := range c.Choices {
		if c.Choices[i].Index != 0 || i > 0 {
			return nil, apierror.BadReply("reply_unreadable", "the upstream's reply has several choices where one is due", nil)
		}
	}
	return c, nil
}

func (c *Completion) isError() bool { return len(c.Error) > 0 && string(c.Error) != "null" }

// callSize is what a call costs in memory beside its text, in bytes.
const callSize = 256

// size is how much a chunk adds to what a reply may have to keep, in bytes.
func (c *Completion) size() int64 {
	n := 0
	for _, choice := range c.Choices {
		d := choice.Delta
		n += len(d.Content) + len(d.Refusal) + len(d.Reasoning)
		for _, call := range d.ToolCalls {
			n += callSize + len(call.ID) + len(call.Function.Name) + len(call.Function.Arguments)
		}
	}
	return int64(n)
}

// Unfinished is the fault of a reply without a finish_reason.
func Unfinished() error {
	return apierror.BrokenReply("reply_unfinished", "the upstream's reply has no finish_reason, so it may be incomplete", nil)
}

// Fault is an error as a chat API's document has it.
type Fault struct {
	Message, Type, Code, Param string // "" where the document has none
}

// faultOf reads the error member of a document, be it an object or just text.
func faultOf(raw json.RawMessage) Fault {
	var words struct{ Message, Type, Code, Param any }
	if err := json.Unmarshal(raw, &words); err != nil {
		_ = json.Unmarshal(raw, &words.Message) // or it has no message
	}
	f := Fault{Message: word(words.Message), Type: word(words.Type), Code: word(words.Code), Param: word(words.Param)}
	if f.Message == "" {
		f.Message = "the upstream failed without saying why"
	}
	return f
}

func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprint(v)
	default:
		return ""
	}
}
