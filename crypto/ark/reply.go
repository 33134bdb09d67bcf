package ark

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/rewrite"
)

// openReply makes resp give the app its content in clear: all of a JSON reply
// at once, so that a fault can still become a status, the events of a stream as
// they come. Redirects pass: whoever owns the application's connection judges them.
// failed tells of an error in a 2xx, before any content. A stream where none was
// asked for, or the other way round, is refused: an SDK that looks for events
// takes a JSON document for a stream without any.
func (t *Transport) openReply(resp *http.Response, o *opener) (failed bool, err error) {
	switch code := resp.StatusCode; {
	case code == http.StatusNotModified, code > http.StatusNonAuthoritativeInfo && code < 300:
		return false, apierror.BadReply("reply_status", fmt.Sprintf("the upstream answered with status %d, which comes with no content or a part of it, where an answer to the chat is due", code), nil)
	case code < 200 || code > 299:
		return false, nil
	}
	media, err := mediaOf(resp.Header)
	switch {
	case err != nil:
		return false, err
	case media != o.due():
		return false, apierror.BadReply("reply_unreadable", fmt.Sprintf("the upstream answered with Content-Type %.60q where %s is due", media, o.due()), nil)
	}
	setMedia(resp.Header, media)
	if o.stream {
		payload.Events(resp, rewrite.EventConfig{Limit: t.MaxEventBytes, Data: o.event, Beside: o.beside, End: o.end})
		return o.peek(resp)
	}
	err = payload.Replace(resp, t.MaxReplyBytes, o.document)
	return o.failed, err
}

// due is the media type that the request asked for.
func (o *opener) due() string {
	if o.stream {
		return eventStream
	}
	return wholeJSON
}

// opener opens one reply.
type opener struct {
	session *Session
	stream  bool   // it was asked for
	tags    tagSet // of the request
	policy  ClearReply
	record  *exchange.Record

	completion completion
	finish     finish
	done       bool            // [DONE] has come
	failed     bool            // the API's error has come, which says why but excuses no missing end
	fault      *apierror.Error // ended the stream
}

// peekSize is room for a first event of the usual length; the rest of a longer
// one follows.
const peekSize = 1 << 10

// peek waits for the first event of a stream and judges it while its fault can
// still become a status. It waits for no second one, so that it delays nothing
// that the app could read.
func (o *opener) peek(resp *http.Response) (failed bool, err error) {
	first := make([]byte, peekSize)
	n, err := resp.Body.Read(first)
	if o.fault != nil {
		return false, o.fault
	}
	resp.Body = &heldBody{ReadCloser: resp.Body, first: first[:n], err: err}
	return o.failed, nil
}

// document opens a whole completion, whose contents may be several ciphertexts
// joined.
func (o *opener) document(doc []byte) ([]byte, error) {
	defer o.timed(time.Now())
	if err := o.read(doc); err != nil {
		return nil, err
	}
	out, err := o.completion.rewrite(make([]byte, 0, len(doc)), o.content(o.session.OpenJoined))
	if err == nil && (!o.failed || len(o.completion.choices) > 0) { // SDKs look for no error in a success
		err = o.finish.check()
	}
	return out, err
}

// event opens the data of one event.
func (o *opener) event(dst, data []byte) ([]byte, bool, error) {
	defer o.timed(time.Now())
	if o.done {
		return nil, false, apierror.BadReply("reply_after_done", "the upstream sent more after [DONE]", nil)
	}
	if string(data) == payload.EndOfStream {
		o.done = true
		return dst, false, o.finish.check()
	}
	if o.failed {
		return nil, false, apierror.BadReply("reply_after_done", "the upstream sent more after its error", nil)
	}
	if err := o.read(data); err != nil {
		return nil, false, err
	}
	if len(o.completion.contents) == 0 {
		line, changed := rewrite.OneLine(data)
		return append(dst, line...), changed, nil
	}
	out, err := o.completion.rewrite(dst, o.content(o.session.Open))
	if err != nil {
		return nil, false, err
	}
	out, _ = rewrite.OneLine(out)
	return out, true, nil
}

// read finds what is to be opened in a document, and judges what stands beside.
func (o *opener) read(doc []byte) error {
	if err := o.completion.read(doc); err != nil {
		return apierror.BadReply("reply_unreadable", "the upstream's reply is not strict JSON of a chat completion", err)
	}
	o.failed = o.failed || o.completion.isError
	o.finish.note(o.completion.choices)
	o.completion.withoutEmpty()
	for _, place := range o.completion.clear {
		if err := o.judge(place); err != nil {
			return err
		}
	}
	return nil
}

// judge judges by the policy what stands in clear, and where.
func (o *opener) judge(place string) error {
	if o.policy.Refuse {
		return apierror.BadReply("reply_partly_clear", "the upstream's reply holds something in clear ("+place+"), which the route's policy refuses; do not ask for it, or set replies.clear", nil)
	}
	report(o.record, place)
	return nil
}

// content opens one content string. Text that a content filter left in clear is
// dropped: nothing vouches for it.
func (o *opener) content(open func(dst, sealed []byte) ([]byte, error)) convert {
	return func(dst, text []byte, s contentString) ([]byte, error) {
		out, err := open(dst, text)
		switch {
		case err != nil && s.filtered && o.policy.UnsafeContentFilterText:
			report(o.record, s.place)
			return append(dst, text...), nil
		case err != nil && s.filtered:
			return dst, nil
		case err != nil && !LooksSealed(text):
			return nil, apierror.BadReply("reply_in_clear", "the upstream answered in clear where ciphertext is due, so the reply is not believed", err)
		case err != nil:
			return nil, apierror.BadReply("reply_not_authentic", "the upstream's reply does not open under this request's key", err)
		case !utf8.Valid(out):
			return nil, apierror.BadReply("reply_unreadable", "the upstream's reply opens to text that is not UTF-8", nil)
		}
		o.record.OpenedFields++
		if len(out) > len(dst) && o.tags.holds(text) { // an honest echo does that too, so it is no fault
			o.record.RepeatedTags++
		}
		return out, nil
	}
}

// end ends a stream: cleanly only after [DONE]. Else the app gets an error event,
// and then a broken connection, also behind the API's own error: an SDK may have
// overlooked that, as openai-python does under "event: thread.x".
func (o *opener) end(dst []byte, err error) ([]byte, error) {
	if errors.Is(err, io.EOF) && o.done {
		return dst, io.EOF
	}
	o.fault = streamFault(err)
	dst = append(dst, "data: "...)
	dst = append(dst, o.fault.Document()...)
	return append(dst, "\n\n"...), o.fault
}

// streamFault is what the app sees of the error that ended a stream.
func streamFault(err error) *apierror.Error {
	if fault, ok := errors.AsType[*apierror.Error](err); ok {
		return fault
	}
	if errors.Is(err, io.EOF) { // no reader up the line may take this for a clean end
		err = io.ErrUnexpectedEOF
	}
	return apierror.BrokenReply("reply_truncated", "the upstream's stream ended before [DONE]; what came so far is incomplete", err)
}

func (o *opener) timed(start time.Time) { o.record.Open += time.Since(start) }
