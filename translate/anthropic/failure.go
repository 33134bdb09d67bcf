package anthropic

import (
	"errors"
	"net/http"

	"sealcar/apierror"
	"sealcar/translate/dialect"
)

// failure is the API's error document ("Errors" in the API reference), also as an
// event. Code and Param are ours, so that an application can tell what is at fault.
type failure struct {
	Type  string `json:"type"` // error
	Error detail `json:"error"`
}

type detail struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Code    string `json:"code,omitempty"`
	Param   string `json:"param,omitempty"`
	Details any    `json:"details,omitempty"`
}

// noThread is the code of requests that have the API keep the conversation.
const noThread = "thread_unsupported"

// threadDetails tell the SDKs that they can go on without a thread: the API's own
// answer where it has none ("thread_unsupported_request" in its reference), on
// which their tool runners send the whole conversation.
type threadDetails struct {
	ErrorCode   string   `json:"error_code"`
	Unsupported []string `json:"unsupported"`
}

func failureOf(status int, f dialect.Fault) failure {
	e := detail{Type: typeOf(status), Message: f.Message, Code: f.Code, Param: f.Param}
	if status == http.StatusBadRequest && f.Code == noThread {
		e.Details = threadDetails{ErrorCode: "thread_unsupported_request", Unsupported: []string{"thread"}}
	}
	return failure{Type: "error", Error: e}
}

// document is an error of the upstream in the API's form.
func document(status int, f dialect.Fault) []byte { return dialect.Encode(failureOf(status, f)) }

// inForm gives an error of ours the API's form. Any other error is for the proxy
// to explain.
func inForm(err error) error {
	ours, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		return err
	}
	e := *ours
	e.Form = form
	return &e
}

// FormOf is the form of errors for whoever sent these headers: that of this API if
// they name one of its versions, else nil.
func FormOf(h http.Header) func(*apierror.Error) []byte {
	if h.Get("Anthropic-Version") == "" {
		return nil
	}
	return form
}

func form(e *apierror.Error) []byte {
	return document(e.Status, dialect.Fault{Message: e.Message, Code: e.Code, Param: e.Param})
}

// overloaded is a status of Anthropic's own.
const overloaded = 529

// typeOf is the API's type for a status.
func typeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable, overloaded:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}
