package enclave

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

var errTwice = errors.New("another of its kind is given already")

// How much and how slowly the certificate endpoints misbehave.
const (
	hugeBytes    = 100_000_000
	dripInterval = 100 * time.Millisecond
	noiseBytes   = 40 // before base64
)

// certificateStart is how a good answer of the data plane begins.
const certificateStart = `{"Certificate":"-----BEGIN CERTIFICATE-----\n`

func certificate500(w http.ResponseWriter, _ *http.Request) {
	arkError{Status: http.StatusInternalServerError, Code: "InternalServiceError", Type: "InternalServerError", Message: "the enclave misbehaves: certificate-500"}.write(w)
}

func certificateHTML(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title><p>Please sign in to the network.") // the client is gone if this fails, here and below
}

func certificateHuge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, certificateStart)
	line := []byte(strings.Repeat("A", 64<<10))
	for sent := 0; sent < hugeBytes; sent += len(line) {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

func certificateDrip(w http.ResponseWriter, r *http.Request) {
	awaitBody(w, r)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, certificateStart)
	tick := time.NewTicker(dripInterval)
	defer tick.Stop()
	for http.NewResponseController(w).Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			_, _ = io.WriteString(w, "A")
		}
	}
}

func certificateHang(w http.ResponseWriter, r *http.Request) {
	awaitBody(w, r)
	<-r.Context().Done()
}

// awaitBody reads the request to its end: before that a server does not notice
// that its client has gone.
func awaitBody(w http.ResponseWriter, r *http.Request) {
	_, _ = readControl(w, r) // it is not looked at
}

func certificateWrongModel(w http.ResponseWriter, _ *http.Request) {
	arkError{Status: http.StatusNotFound, Code: "InvalidEndpointOrModel.NotFound", Type: "NotFound", Message: "the enclave misbehaves: certificate-wrong-model"}.write(w)
}

// noise is text that looks like a ciphertext.
func noise() string {
	b := make([]byte, noiseBytes)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// canned answers every chat with the same content, as it is.
func canned(content func() string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var request struct{ Stream bool }
			_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEchoBody)).Decode(&request) // what cannot be read does not stream
			message := map[string]string{"role": "assistant", "content": content()}
			if !request.Stream {
				writeJSON(w, http.StatusOK, map[string]any{"object": "chat.completion", "choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": "stop"}}})
				return
			}
			var b bytes.Buffer
			_ = json.NewEncoder(&b).Encode(map[string]any{"object": "chat.completion.chunk", "choices": []any{map[string]any{"index": 0, "delta": message}}}) // always marshals
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: "+b.String()+"\ndata: [DONE]\n\n")
		})
	}
}

// truncated lets the first event of a stream through, or half of another reply,
// and then breaks the connection.
func truncated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&cutWriter{ResponseWriter: w}, r)
	})
}

type cutWriter struct {
	http.ResponseWriter
	begun bool
}

// Unwrap gives http.ResponseController the way to Flush and the deadlines.
func (w *cutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *cutWriter) Write(p []byte) (int, error) {
	stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
	if stream && !w.begun {
		w.begun = true
		return w.ResponseWriter.Write(p)
	}
	if !stream {
		_, _ = w.ResponseWriter.Write(p[:len(p)/2])
		_ = http.NewResponseController(w.ResponseWriter).Flush() // else the server would answer nothing at all
	}
	panic(http.ErrAbortHandler) // net/http's way to break a reply off
}
