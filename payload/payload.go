package payload

import (
	"bytes"
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

// Read reads the whole body of a request, up to limit bytes, and closes it.
// Passing it on unread would let the server's connection handling cut a streamed
// reply short (golang/go#40747). hint tells what to do about a body over the
// limit.
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
	if err := l.fits(req.ContentLength); err != nil {
		return nil, err
	}
	body, err := readAll(req.Body, limit, req.ContentLength, l.forReading)
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
		l.isSent(len(body))
	}
	return resp, err
}

// maxTrusted bounds the memory that is taken because an upstream says that it
// will send as much, in bytes.
const maxTrusted = 1 << 20

// Replace reads the body of resp, up to limit bytes, and replaces it by what fn
// makes of it.
func Replace(resp *http.Response, limit int64, fn func(doc []byte) ([]byte, error)) error {
	limit = orDefault(limit)
	l := leaseOfReply(resp)
	doc, err := readAll(resp.Body, limit, min(resp.ContentLength, maxTrusted), l.forReadingReply)
	if _, ours := errors.AsType[*apierror.Error](err); ours {
		return err
	}
	if err != nil {
		return fault("reply_truncated", "the upstream's reply broke off", err)
	}
	if int64(len(doc)) > limit {
		return fault("reply_too_large", fmt.Sprintf("the upstream's reply is over %d bytes; raise limits.reply_bytes", limit), nil)
	}
	if err := l.forReply(int64(len(doc))); err != nil {
		return err
	}
	out, err := fn(doc)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // read to its end
	resp.Body = io.NopCloser(bytes.NewReader(out))
	resp.ContentLength = int64(len(out))
	resp.TransferEncoding = nil
	resp.Header.Set("Content-Length", strconv.Itoa(len(out)))
	return nil
}

func fault(code, message string, cause error) *apierror.Error {
	return &apierror.Error{Status: http.StatusBadGateway, Code: code, Message: message, Cause: cause}
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
