package payload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"

	"sealcar/apierror"
)

// DefaultLimit is the largest body where a limit is 0, in bytes.
const DefaultLimit = 64 << 20

// SendLess is the hint for Read of those who read a request before they send it.
const SendLess = "nothing was sent; send less or raise limits.request_bytes"

// Read reads the whole body of a request, up to limit bytes, and closes it.
// Passing it on unread would let the server's connection handling cut a streamed
// reply short (golang/go#40747). hint tells what to do about a body over the
// limit. A body that comes from Send is taken over as it is, without a copy.
func Read(req *http.Request, limit int64, hint string) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer func() { _ = req.Body.Close() }()
	limit = orDefault(limit)
	if req.ContentLength > limit {
		return nil, tooLarge(limit, hint) // no byte of it is taken into memory
	}
	l := leaseOf(req.Context())
	body, err := l.read(req, limit)
	if int64(len(body)) > limit {
		return nil, tooLarge(limit, hint)
	}
	if _, ours := errors.AsType[*apierror.Error](err); err != nil && !ours {
		return nil, incomplete(err)
	}
	if err == nil {
		err = l.forRequest(int64(len(body)), requestCost)
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// read reads a request's body, or a byte more than limit, inside the lease.
func (l *lease) read(req *http.Request, limit int64) ([]byte, error) {
	if r, ok := req.Body.(*outgoingReader); ok {
		if body := r.takeOver(); body != nil {
			return body, nil
		}
	}
	if err := l.fits(req.ContentLength); err != nil {
		return nil, err
	}
	return readAll(req.Body, limit, req.ContentLength, l.forReading)
}

// ReadPart reads what is to become part of a request, such as an image that it
// links, to its end, or a byte more than limit. expected is the length that was
// announced, -1 if none was. Several parts may be read at a time.
func ReadPart(ctx context.Context, part io.Reader, limit, expected int64) ([]byte, error) {
	l, size := leaseOf(ctx), int64(0)
	return readAll(part, limit, expected, func(n int64) error {
		more := n - size
		size = n
		return l.forPart(more)
	})
}

// Hold is asked before n bytes are held besides a request's body until it is sent.
func Hold(ctx context.Context, n int64) error { return leaseOf(ctx).forMore(n) }

// Reserve is asked before a request's body of n bytes is put together from parts.
func Reserve(ctx context.Context, n int64) error { return leaseOf(ctx).forRequest(n, requestCost) }

// incomplete is the fault of a body that ended early. One that a read deadline
// ended was only slow, and may be sent again.
func incomplete(cause error) *apierror.Error {
	if errors.Is(cause, os.ErrDeadlineExceeded) {
		return &apierror.Error{Status: http.StatusRequestTimeout, Code: "request_body_timeout", Message: "the request body did not arrive in time; nothing was sent. Send it faster, or raise timeouts.read_body", Cause: cause}
	}
	return &apierror.Error{Status: http.StatusBadRequest, Code: "request_incomplete", Message: "the request body ended early; nothing was sent", Cause: cause}
}

func tooLarge(limit int64, hint string) *apierror.Error {
	return &apierror.Error{
		Status: http.StatusRequestEntityTooLarge, Code: "request_too_large",
		Message: fmt.Sprintf("the request body is over %d bytes; %s", limit, hint),
	}
}

func orDefault(limit int64) int64 {
	if limit <= 0 {
		return DefaultLimit
	}
	return limit
}

// Send sends req, which is the caller's own, with body in place of its own.
func Send(base http.RoundTripper, req *http.Request, body []byte) (*http.Response, error) {
	req.Body, req.GetBody, req.ContentLength, req.TransferEncoding = http.NoBody, nil, int64(len(body)), nil
	if len(body) == 0 {
		return base.RoundTrip(req)
	}
	l := leaseOf(req.Context())
	if err := l.forSending(len(body)); err != nil {
		return nil, err
	}
	out := newOutgoing(body)
	// GetBody lets the base try once more when a kept-alive connection turns
	// out closed before a byte was written: the same body, so the same key.
	req.GetBody = func() (io.ReadCloser, error) { return out.reader(), nil }
	req.Body = out.reader()
	resp, err := base.RoundTrip(req)
	if err == nil && out.letGo() {
		l.isSent(out.size)
	}
	return resp, err
}

// maxTrusted bounds the memory that is taken because an upstream says that it
// will send as much, in bytes.
const maxTrusted = 1 << 20

// replaced is a body that Replace has made.
type replaced struct {
	bytes.Reader
	doc []byte
}

func newReplaced(doc []byte) *replaced {
	b := &replaced{doc: doc}
	b.Reset(doc)
	return b
}

// Close has nothing to close.
func (b *replaced) Close() error { return nil }

// Replace reads the body of resp, up to limit bytes, and replaces it by what fn
// makes of it. A body that comes from Replace is taken over as it is, without a
// copy.
func Replace(resp *http.Response, limit int64, fn func(doc []byte) ([]byte, error)) error {
	limit = orDefault(limit)
	l := leaseOfReply(resp)
	doc, err := l.readReply(resp, limit)
	if _, ours := errors.AsType[*apierror.Error](err); ours {
		return err
	}
	if err != nil {
		return apierror.BrokenReply("reply_truncated", "the upstream's reply broke off", err)
	}
	if int64(len(doc)) > limit {
		return apierror.BadReply("reply_too_large", fmt.Sprintf("the upstream's reply is over %d bytes; raise limits.reply_bytes", limit), nil)
	}
	if err := l.forReply(int64(len(doc))); err != nil {
		return err
	}
	out, err := fn(doc)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // read to its end
	resp.Body = newReplaced(out)
	resp.ContentLength = int64(len(out))
	resp.TransferEncoding = nil
	resp.Header.Set("Content-Length", strconv.Itoa(len(out)))
	return nil
}

// readReply reads a reply, or a byte more than limit, inside the lease.
func (l *lease) readReply(resp *http.Response, limit int64) ([]byte, error) {
	if b, ok := resp.Body.(*replaced); ok && b.Len() == len(b.doc) {
		return b.doc, nil
	}
	return readAll(resp.Body, limit, min(resp.ContentLength, maxTrusted), l.forReadingReply)
}

// MediaType is the media type that a message's headers name, in lower case; ""
// if there is none or it cannot be read.
func MediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return t
}
