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
}

func failureOf(status int, f dialect.Fault) failure {
	return failure{Type: "error", Error: detail{Type: typeOf(status), Message: f.Message, Code: f.Code, Param: f.Param}}
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
	e.Form = func(e *apierror.Error) []byte {
		return document(e.Status, dialect.Fault{Message: e.Message, Code: e.Code, Param: e.Param})
	}
	return &e
}

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
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}
