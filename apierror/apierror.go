// Package apierror holds the one error document that every door of sealcar
// answers with: the shape OpenAI-style SDKs parse, plus the status and headers
// that go with it. A layer that refuses a request returns an *Error; whoever
// owns the ResponseWriter writes it. What is refused here: bodies of upstreams
// and secrets never become part of a document, the cause stays in the log.
package apierror

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Type is the "type" member of every document that sealcar itself writes; by it
// an application tells our refusal from the model server's.
const Type = "sealcar_error"

// Error is a refusal or failure as the application will see it.
type Error struct {
	Status     int           // HTTP status, 400…599
	Code       string        // stable, snake_case, one per cause; listed in docs/errors.md
	Message    string        // what happened and what to do next; shown to the application
	Param      string        // the JSON path, setting or header at fault; "" becomes null
	RetryAfter time.Duration // sent as Retry-After in whole seconds, rounded up; 0 sends none
	NoRetry    bool          // send x-should-retry: false although Status is retryable; 4xx send it anyway (but for 408 and 429)
	Cause      error         // for logs only, never sent

	// Form writes the document for an application that speaks another API; nil
	// is the form of OpenAI's.
	Form func(*Error) []byte
}

// Error gives the code and message, then the cause: the form for logs.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// BadRequest is a 400: what the application sent at param cannot be taken.
func BadRequest(code, param, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Param: param, Message: message}
}

// BadReply is a 502: what the upstream answered cannot be taken, and would not be
// if the model, which costs, were asked again.
func BadReply(code, message string, cause error) *Error {
	return &Error{Status: http.StatusBadGateway, Code: code, Message: message, NoRetry: true, Cause: cause}
}

// BrokenReply is a 502: what the upstream answered is incomplete, so that asking
// again may help.
func BrokenReply(code, message string, cause error) *Error {
	return &Error{Status: http.StatusBadGateway, Code: code, Message: message, Cause: cause}
}

// From finds the *Error in err's chain. An err without one becomes a 502 with
// the given fallback code and message, err as its cause.
func From(err error, code, message string) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return BrokenReply(code, message, err)
}

// Elsewhere is e for an application that has what Param names at another place:
// Param and Message name that.
func (e *Error) Elsewhere(param string) *Error {
	moved := *e
	moved.Param = param
	was, _, _ := strings.Cut(e.Param, `["`) // messages leave out names that are no plain words
	is, _, _ := strings.Cut(param, `["`)
	if was != "" {
		moved.Message = replaceName(e.Message, was, is)
	}
	return &moved
}

// replaceName replaces the first was in text that is not a part of a longer name, as
// stop is of stopped.
func replaceName(text, was, is string) string {
	for from := 0; ; {
		at := strings.Index(text[from:], was)
		if at < 0 {
			return text
		}
		start, end := from+at, from+at+len(was)
		if (start == 0 || !inName(text[start-1])) && (end == len(text) || !inName(text[end])) {
			return text[:start] + is + text[end:]
		}
		from = end
	}
}

func inName(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// Document is the JSON document, without a trailing newline. It holds no
// newline, so it can stand in one event-stream data line.
func (e *Error) Document() []byte {
	if e.Form != nil {
		return e.Form(e)
	}
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Code    string  `json:"code"`
		Param   *string `json:"param"`
	}
	doc := struct {
		Error body `json:"error"`
	}{body{Message: e.Message, Type: Type, Code: e.Code}}
	if e.Param != "" {
		doc.Error.Param = &e.Param
	}
	b, err := json.Marshal(doc)
	if err != nil { // strings always marshal: invalid UTF-8 is replaced
		panic(err)
	}
	return b
}

// Write answers with the document, its status and its headers.
func (e *Error) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if !e.retryable() {
		h.Set("X-Should-Retry", "false")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(e.Document(), '\n')) // the client is gone if this fails; nothing is left to tell it
}

func (e *Error) retryable() bool {
	switch {
	case e.NoRetry:
		return false
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooManyRequests:
		return true
	default:
		return e.Status >= http.StatusInternalServerError
	}
}

// Peerless takes away from an error's text what net/http quotes of a peer: it
// may be content, or a credential that the peer repeats. What is left is fit
// for a log.
func Peerless(text string) string {
	for _, word := range []string{"malformed ", "invalid ", "bad ", "unsupported ", "too many ", "bogus ", "debug="} { // with which net/http begins before it quotes
		if at := strings.Index(text, word); at >= 0 {
			if quote := strings.IndexByte(text[at:], '"'); quote >= 0 {
				text = text[:at+quote] + "…"
			}
		}
	}
	return text
}
