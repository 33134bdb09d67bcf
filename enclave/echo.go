package enclave

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"sealcar/apierror"
	"sealcar/payload"
)

const (
	echoModel   = "echo"
	echoBase    = "/v1"
	maxEchoBody = 64 << 20
	echoShare   = 2 // of the enclave's budget the echo, which has each request once more, gets one part of so many
)

// echo is the built-in backend: a deterministic OpenAI-compatible API that
// answers a chat with what it was told. It is a real HTTP server, so that the
// way to it is the way to any backend.
type echo struct {
	now    func() time.Time
	delay  time.Duration   // before each word of a stream
	budget *payload.Budget // of the bodies that are read here
}

// startEcho serves an echo on a free loopback port until end is called.
func (s *Server) startEcho(ctx context.Context) (base *url.URL, end func(), err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("starting the echo backend: %w", err)
	}
	server := &http.Server{
		Handler:           echo{now: s.o.Now, delay: s.o.EchoDelay, budget: s.budget(echoShare)}.handler(),
		ReadHeaderTimeout: s.o.ReadHeader,
		ErrorLog:          s.errorLog(),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln) // ends by Close below
	}()
	end = func() {
		_ = server.Close() // its only client has drained
		<-done
	}
	return &url.URL{Scheme: "http", Host: ln.Addr().String(), Path: echoBase}, end, nil
}

func (e echo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+echoBase+"/chat/completions", e.chat)
	mux.HandleFunc("GET "+echoBase+"/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []echoModelCard{modelCard()}})
	})
	mux.HandleFunc("GET "+echoBase+"/models/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != echoModel {
			echoError{http.StatusNotFound, "the only model listed is " + echoModel, "model", "model_not_found"}.write(w)
			return
		}
		writeJSON(w, http.StatusOK, modelCard())
	})
	return mux
}

func (e echo) chat(w http.ResponseWriter, r *http.Request) {
	ctx, release := e.budget.Hold(r.Context())
	defer release()
	body, err := payload.Read(r.WithContext(ctx), maxEchoBody, "the echo takes no more")
	if err != nil {
		apierror.From(err, "request_incomplete", "the request could not be read").Write(w)
		return
	}
	request, fault := parseEcho(body)
	if fault != nil {
		fault.write(w)
		return
	}
	hash := sha256.Sum256(body)
	reply := echoReply{
		id:      "chatcmpl-" + hex.EncodeToString(hash[:12]),
		created: e.now().Unix(),
		request: request,
		answer:  request.answer(hex.EncodeToString(hash[12:24])),
	}
	if !request.Stream {
		writeJSON(w, http.StatusOK, reply.completion())
		return
	}
	e.stream(r.Context(), w, reply)
}

type echoModelCard struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelCard() echoModelCard {
	return echoModelCard{ID: echoModel, Object: "model", OwnedBy: "sealcar"}
}

// echoError is an error as OpenAI's API has it.
type echoError struct {
	status               int
	message, param, code string
}

func (e echoError) write(w http.ResponseWriter) {
	type document struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Param   string `json:"param"`
		Code    string `json:"code"`
	}
	writeJSON(w, e.status, map[string]document{"error": {e.message, "invalid_request_error", e.param, e.code}})
}
