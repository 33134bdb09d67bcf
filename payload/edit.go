package payload

import (
	"cmp"
	"errors"
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
	switch MediaType(resp.Header) {
	case "text/event-stream":
		s := streamEdit{fn: fn}
		resp.Header.Del("Content-Length")
		resp.ContentLength = -1
		resp.Body = rewrite.Events(resp.Body, rewrite.EventConfig{Limit: grown * cmp.Or(l.Event, DefaultEventLimit), Room: EventRoom(resp), Data: s.event, End: s.end})
		return nil
	case "application/json":
		return Replace(resp, grown*orDefault(l.Reply), func(doc []byte) ([]byte, error) {
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

// streamEdit is the state of editing one stream.
type streamEdit struct {
	fn    func(dst, data []byte, stream bool) ([]byte, bool, error)
	fault *apierror.Error
}

func (s *streamEdit) event(dst, data []byte) (out []byte, changed bool, err error) {
	out, changed, err = s.fn(dst, data, true)
	if err != nil {
		s.fault = unreadable(err)
		return nil, false, s.fault
	}
	return out, changed, nil
}

// end tells of a fault that was found here. One of the body has been told by
// whoever found it.
func (s *streamEdit) end(dst []byte, err error) ([]byte, error) {
	if errors.Is(err, rewrite.ErrEventTooLarge) {
		s.fault = apierror.BadReply("reply_too_large", "an event of the upstream's stream is over limits.event_bytes", err)
	}
	if s.fault == nil {
		return dst, err
	}
	dst = append(append(dst, "data: "...), s.fault.Document()...)
	return append(dst, "\n\n"...), s.fault
}

// unreadable is what the application sees of an error of a function.
func unreadable(err error) *apierror.Error {
	return apierror.From(err, "reply_unreadable", "the upstream's reply is not what a chat is answered with")
}
