package payload

import (
	"cmp"
	"errors"
	"io"
	"net/http"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// EndOfStream is the data of the event that ends a complete stream of an
// OpenAI-style API.
const EndOfStream = "[DONE]"

// Limits bound what is taken into memory of a reply, in bytes.
type Limits struct {
	Reply int64 // one that is no stream; 0 means DefaultLimit
	Event int   // one event of a stream; 0 means DefaultEventLimit
}

// DefaultEventLimit is the largest event where a limit is 0, in bytes.
const DefaultEventLimit = 16 << 20

// Opened are the limits of the same replies once they have been opened, or
// rewritten after that.
func (l Limits) Opened() Limits {
	return Limits{Reply: grown * orDefault(l.Reply), Event: grown * cmp.Or(l.Event, DefaultEventLimit)}
}

// grown is by how much JSON may be longer than the same in ciphertext, which is
// what an operator's limits are about: a byte of text can be six there, \u0000.
const grown = 6

// Edit rewrites the documents of a successful reply that has been opened: the
// one document of application/json, or the data of each event of a stream, the
// closing EndOfStream too. fn appends what becomes of doc to dst; with changed
// false every byte stays as it was. Replies of another status than 2xx or of
// another media type stay as they are.
//
// An error of fn ends the reply. A stream then ends in an event with the error
// document and in a read error, as it does when it cannot be opened.
func Edit(resp *http.Response, l Limits, fn func(dst, doc []byte, stream bool) (out []byte, changed bool, err error)) error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil
	}
	l = l.Opened()
	switch MediaType(resp.Header) {
	case "text/event-stream":
		s := streamEdit{fn: fn, body: &noting{ReadCloser: resp.Body}}
		resp.Body = s.body
		Events(resp, rewrite.EventConfig{Limit: l.Event, Data: s.event, End: s.end})
		return nil
	case "application/json":
		return Replace(resp, l.Reply, func(doc []byte) ([]byte, error) {
			out, changed, err := fn(nil, doc, false)
			switch {
			case err != nil:
				return nil, unreadable(err)
			case !changed:
				return doc, nil
			default:
				return out, nil
			}
		})
	default:
		return nil
	}
}

// Events has the events of resp's stream rewritten by c, whose Room is the
// budget's. An event over c.Limit is an *apierror.Error for c.End.
func Events(resp *http.Response, c rewrite.EventConfig) {
	end := c.End
	c.Room = EventRoom(resp)
	c.End = func(dst []byte, err error) ([]byte, error) {
		if errors.Is(err, rewrite.ErrEventTooLarge) {
			err = apierror.BadReply("reply_too_large", "an event of the upstream's stream is over limits.event_bytes", err)
		}
		return end(dst, err)
	}
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Body = rewrite.Events(resp.Body, c)
}

// streamEdit is the state of editing one stream.
type streamEdit struct {
	fn    func(dst, data []byte, stream bool) ([]byte, bool, error)
	body  *noting
	fault *apierror.Error
}

func (s *streamEdit) event(dst, data []byte) (out []byte, changed bool, err error) {
	out, changed, err = s.fn(dst, data, true)
	if err != nil {
		s.fault = unreadable(err)
		return nil, false, s.fault
	}
	if changed { // what had been escaped may not be any more
		out, _ = rewrite.OneLine(out)
	}
	return out, changed, nil
}

// end tells of a fault that was found here. One of the body has been told by
// whoever found it.
func (s *streamEdit) end(dst []byte, err error) ([]byte, error) {
	if found, ok := errors.AsType[*apierror.Error](err); ok && s.body.fault == nil {
		s.fault = found
	}
	if s.fault == nil {
		return dst, err
	}
	dst = append(append(dst, "data: "...), s.fault.Document()...)
	return append(dst, "\n\n"...), s.fault
}

// noting notes the fault that a body ends with.
type noting struct {
	io.ReadCloser
	fault error
}

func (n *noting) Read(p []byte) (int, error) {
	size, err := n.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.fault = err
	}
	return size, err
}

// unreadable is what the application sees of an error of a function.
func unreadable(err error) *apierror.Error {
	return apierror.From(err, "reply_unreadable", "the upstream's reply is not what a chat is answered with")
}
