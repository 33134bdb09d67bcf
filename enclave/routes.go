package enclave

import (
	"crypto/rand"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/exchange"
	"sealcar/payload"
)

// headerRequestID is the client's own name for a request. Ark answers with it,
// and the vendor's SDKs report it in their errors.
const headerRequestID = "X-Client-Request-Id"

const probePattern = "GET /healthz"

// maxLogged bounds what a client may put into a line of the log, in bytes.
const maxLogged = 128

// handler is all that the enclave answers.
func (s *Server) handler(backend http.RoundTripper) http.Handler {
	chat := s.authenticated(s.misbehaving(&ark.Handler{
		Keys:            s.keys,
		Backend:         backend,
		AcceptPlaintext: s.o.AcceptPlaintext,
		JoinReplies:     s.o.JoinReplies,
		Budget:          s.bodies(),
		ErrorLog:        s.errorLog(),
	}))
	models := s.authenticated(s.forward(backend))

	mux := http.NewServeMux()
	for _, path := range ark.SealablePaths() {
		mux.Handle("POST "+path, chat)
	}
	mux.Handle("GET "+ark.BasePath+"/models", models)
	mux.Handle("GET "+ark.BasePath+"/models/{id}", models)
	mux.Handle("POST "+ark.CertificatePath, s.authenticated(s.misbehaviour.certificates(s.serveCertificate)))
	mux.HandleFunc("POST /{$}", s.misbehaviour.certificates(s.serveOpenAPI))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		notFound("the enclave has no such endpoint; it serves chats, models and the endpoint's certificate").write(w)
	})

	outer := http.NewServeMux()
	outer.Handle("/", s.bounded(mux))
	outer.HandleFunc(probePattern, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return s.logged(outer)
}

// budget is one part of so many of what bodies may take up in memory. There is no
// setting for it, so messages name what it is derived from.
func (s *Server) budget(parts int64) *payload.Budget {
	b := payload.NewBudget(s.o.BufferedBytes / parts)
	b.Setting = "the share of the enclave's memory limit that is for bodies"
	return b
}

// bodies is the budget of the requests and replies on their way.
func (s *Server) bodies() *payload.Budget {
	if s.base == nil {
		return s.budget(echoShare)
	}
	return s.budget(1)
}

// bounded refuses requests beyond Options.MaxRequests at once. Probes are not
// asked to wait: a full enclave is not an ill one.
func (s *Server) bounded(next http.Handler) http.Handler {
	var inFlight atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer inFlight.Add(-1)
		if inFlight.Add(1) > int64(s.o.MaxRequests) {
			(&apierror.Error{
				Status: http.StatusServiceUnavailable, Code: "too_many_requests", RetryAfter: time.Second,
				Message: "As many requests are in flight as the enclave's memory allows. Try again when some have ended, or give it more memory.",
			}).Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// forward passes a request without content on to the backend.
func (s *Server) forward(backend http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {}, // the backend knows where to
		Transport: backend,
		ErrorLog:  s.errorLog(),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			apierror.From(err, "backend_unreachable", "the enclave could not reach its backend").Write(w)
		},
	}
}

// authenticated lets only requests with one of the enclave's API keys through.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.credentials.accept(r.Header, s.o.Now()); err != nil {
			unauthorized(err).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// logged names the request and writes its line.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if id == "" || len(id) > maxLogged {
			id = rand.Text()
		}
		w.Header().Set(headerRequestID, id)
		record := &exchange.Record{ID: id}
		r = r.WithContext(exchange.With(r.Context(), record))
		start, counted := s.o.Now(), &countedWriter{ResponseWriter: w}
		defer func() { // also when the handler aborts a reply that was cut
			s.o.Log.WithLevel(levelOf(r)).
				Str("id", record.ID).
				Str("endpoint", r.Pattern).
				Str("model", record.Model[:min(len(record.Model), maxLogged)]).
				Str("treatment", string(treatment(record, counted.status))).
				Int("opened_fields", record.OpenedFields).
				Bool("stream", record.Stream).
				Int("status", counted.status).
				Int64("bytes", counted.bytes).
				Dur("duration", s.o.Now().Sub(start)).
				Msg("request")
		}()
		next.ServeHTTP(counted, r)
	})
}

// levelOf keeps probes, which come every few seconds, out of the usual log.
func levelOf(r *http.Request) zerolog.Level {
	if r.Pattern == probePattern {
		return zerolog.DebugLevel
	}
	return zerolog.InfoLevel
}

// treatment is what ark.Handler says of a chat; it has no say in what has no
// content and in what it does not get to see.
func treatment(record *exchange.Record, status int) exchange.Treatment {
	switch {
	case record.Treatment != "":
		return record.Treatment
	case status < http.StatusBadRequest:
		return exchange.NoContent
	default:
		return exchange.Refused
	}
}

// countedWriter remembers what was answered.
type countedWriter struct {
	http.ResponseWriter
	status int // 0: nothing was
	bytes  int64
}

// Unwrap gives http.ResponseController the way to Flush and the deadlines.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *countedWriter) WriteHeader(status int) {
	if w.status < http.StatusOK { // informational ones are followed by the real one
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	if w.status < http.StatusOK {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
