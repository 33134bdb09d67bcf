package ark

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"sealcar/apierror"
	"sealcar/payload"
	"sealcar/rewrite"
)

// maxFailure bounds an error reply, in bytes: it is read before the application
// gets any of it.
const maxFailure = 64 << 10

// failure is what an error reply is found to be.
type failure struct {
	isDocument bool   // it is the API's error document
	code       string // of that, as it is written, or ""

	clear []string       // places in the table where something stands beside the error's own words
	cuts  []rewrite.Span // what takes that out
}

var errNoFailure = errors.New("no error document")

// readFailure reads a body strictly: what the application reads of it is to be
// what is seen here.
func readFailure(body []byte) failure {
	var f failure
	err := rewrite.Scan(body, failureShape, func(v rewrite.Value) error {
		switch text := body[v.Start:v.End]; {
		case classOf(v.Name) == choiceList, v.Kind == '[' && (classOf(v.Name) == object || classOf(v.Name) == replyError):
			return errNoFailure
		case classOf(v.Name) == object:
			return nil
		case classOf(v.Name) == replyError:
			f.isDocument = f.isDocument || v.Kind == '{' || v.Kind == '"' && !empty(body, v)
		case pathIn(v.Name) == "object":
			f.isDocument = f.isDocument || string(text) == `"error"`
		case pathIn(v.Name) == "error.code":
			f.code = string(text)
		}
		if exposureOf(body, v) != nothing {
			f.clear = append(f.clear, pathIn(v.Name))
			f.cuts = rewrite.Cut(f.cuts, body, rewrite.Span{Start: v.Start, End: v.End})
		}
		return nil
	})
	if err != nil {
		return failure{}
	}
	return f
}

//nolint:gochecknoglobals // immutable table
var reasonShape = &rewrite.Shape{Name: "error", Fields: map[string]*rewrite.Shape{"message": {Name: "message"}}}

// saysWhy tells whether a value under "error" in a success is the API's error: an
// object with a message, or, as text-generation-inference has it, the message
// alone.
func saysWhy(value []byte) bool {
	found := false
	err := rewrite.Scan(value, reasonShape, func(v rewrite.Value) error {
		isMessage := v.Name == "message" || v.Start == 0
		found = found || isMessage && v.Kind == '"' && !empty(value, v)
		return nil
	})
	return err == nil && found
}

// failed takes a reply with the status of an error. Only the API's own error
// document is passed on, with the headers that came with it: whatever else
// answers (a proxy's HTML, a stack trace) would be taken by an SDK for the API's
// words. The symptom is the status and the API's code.
func (a *attempt) failed(resp *http.Response) outcome {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFailure+1))
	_ = resp.Body.Close() // enough was read of it
	if err != nil || len(body) > maxFailure {
		return outcome{err: notPassedOn(resp, err)} // what never came whole is no symptom
	}
	body = a.withoutOurKey(body)
	found := readFailure(body)
	o := outcome{resp: resp}
	if mayMeanStale(resp.StatusCode) {
		o.symptom = fmt.Sprintf("%d %.64s", resp.StatusCode, found.code)
	}
	if !found.isDocument {
		o.err = notPassedOn(resp, nil)
		return o
	}
	if body, err = a.besideReason(found, body); err != nil {
		o.err = err
		return o
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength, resp.TransferEncoding = int64(len(body)), nil
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	setMedia(resp.Header, wholeJSON) // its encoding was none, or the body were no JSON
	return o
}

// besideReason judges by the policy what an error document says besides why. A
// refusal would hide the error, so what would be refused is taken out instead.
func (a *attempt) besideReason(found failure, body []byte) ([]byte, error) {
	if !a.ClearReply.Refuse {
		for _, place := range found.clear {
			report(a.record, place)
		}
		return body, nil
	}
	return rewrite.Splice(nil, body, found.cuts, func(dst, _ []byte) ([]byte, error) { return dst, nil })
}

// withoutOurKey takes out the API key that sealcar put into the request: the
// application does not have it, and some APIs repeat it in their refusal.
func (a *attempt) withoutOurKey(text []byte) []byte {
	if !injected(a.further) {
		return text
	}
	return bytes.ReplaceAll(text, []byte(a.query.Credential), []byte("[API key]"))
}

// notPassedOn stands in for an error reply that is not the API's document.
func notPassedOn(resp *http.Response, cause error) *apierror.Error {
	status := resp.StatusCode
	if status > 599 {
		status = http.StatusBadGateway
	}
	if cause == nil {
		cause = fmt.Errorf("its Content-Type is %.60q", payload.MediaType(resp.Header))
	}
	return &apierror.Error{
		Status: status, Code: "upstream_error", Cause: cause, RetryAfter: retryAfter(resp.Header, time.Now()),
		NoRetry: resp.Header.Get("X-Should-Retry") == "false",
		Message: fmt.Sprintf("the upstream answered %d with something else than the API's error document, which is not passed on; what answered may stand between sealcar and the endpoint", resp.StatusCode),
	}
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3), 0 for none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 16); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), 24*time.Hour)
	}
	return 0
}
