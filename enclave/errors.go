package enclave

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxControlBody bounds the requests that are about keys and certificates.
const maxControlBody = 64 << 10

// arkError is an error as Ark's data plane has it: {"error":{…}}.
type arkError struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param"`
	Type    string `json:"type"`
}

func (e arkError) write(w http.ResponseWriter) {
	writeJSON(w, e.Status, struct {
		Error arkError `json:"error"`
	}{e})
}

func unauthorized(err error) arkError {
	return arkError{Status: http.StatusUnauthorized, Code: "AuthenticationError", Type: "Unauthorized", Message: err.Error()}
}

func notFound(message string) arkError {
	return arkError{Status: http.StatusNotFound, Code: "NotFound", Type: "NotFound", Message: message}
}

func invalid(code, param, message string) arkError {
	return arkError{Status: http.StatusBadRequest, Code: code, Type: "BadRequest", Param: param, Message: message}
}

// writeJSON answers with v; the types it is given always marshal.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}

// readControl reads the body of a request about keys or certificates.
func readControl(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
}

// unreadable is what a failed read of a request's body is answered with.
func unreadable(err error) (status int, message string) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, "the request's body is too large"
	}
	return http.StatusBadRequest, "the request's body could not be read"
}
