package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"sealcar/kubeprobe"
)

// Timeouts of a server where its owner sets none.
const (
	DefaultTimeout = 10 * time.Second // an API server waits for 10 s by default
	DefaultIdle    = 30 * time.Second // API servers keep their connections, and make new ones at no cost
	DefaultDrain   = 10 * time.Second
)

const (
	maxHeaderBytes = 64 << 10
	maxConnections = 64 // more wait in the kernel's queue; each API server has one
	maxStreams     = 32 // requests of one connection
	maxProbes      = 16 // connections to the admin port
)

// Server is the webhook's server: POST /pods, by HTTPS, is for the API server; GET
// /healthz and /readyz, on a port of their own, are for the kubelet: what is Outdated
// becomes an Event of the pod by /readyz?kubelet. What any pod can send to the first
// leaves the second free, or it could have the webhook restarted.
type Server struct {
	Handler     *Handler
	Certificate func() (*tls.Certificate, error) // asked for each handshake
	Ready       func() error                     // why it cannot be called yet; nil: it can always be
	Outdated    func() string                    // what has changed and cannot be used, while what it was stays in use; "": nothing; nil: never anything
	Timeout     time.Duration                    // of a request altogether; 0: DefaultTimeout
	Idle        time.Duration                    // of a connection between requests; 0: DefaultIdle
	Drain       time.Duration                    // for open requests at the end; 0: DefaultDrain
	Log         zerolog.Logger
}

// Serve answers reviews on ln and probes on admin until ctx ends. Then it takes no
// more requests, gives the open ones Drain to end, cuts the rest and returns nil. It
// closes both listeners.
func (s Server) Serve(ctx context.Context, ln, admin net.Listener) error {
	reviews, probes := s.server(s.reviews()), s.server(s.probes())
	reviews.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
	reviews.TLSConfig = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate() },
	}
	served := make(chan error, 2)
	serve := func(ln net.Listener, err error) {
		if !errors.Is(err, http.ErrServerClosed) {
			served <- fmt.Errorf("serving on %s: %w", ln.Addr(), err)
			return
		}
		served <- nil
	}
	go func() { serve(ln, reviews.ServeTLS(netutil.LimitListener(newPeers(ln), maxConnections), "", "")) }()
	go func() { serve(admin, probes.Serve(netutil.LimitListener(admin, maxProbes))) }()
	var failed error
	left := 2
	select {
	case failed = <-served:
		left--
	case <-ctx.Done():
	}
	s.shutdown(ctx, reviews, probes)
	for range left {
		failed = errors.Join(failed, <-served)
	}
	return failed
}

// server is one with the timeouts. TLS has to be spoken within ReadHeaderTimeout.
func (s Server) server(handler http.Handler) *http.Server {
	timeout := orDefault(s.Timeout, DefaultTimeout)
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: min(timeout, DefaultBodyTimeout),
		ReadTimeout:       timeout,
		WriteTimeout:      2 * timeout, // it begins with the request's header
		IdleTimeout:       orDefault(s.Idle, DefaultIdle),
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(s.Log, "", 0),
	}
}

// shutdown ends the servers; the probes answer until the reviews have ended.
func (s Server) shutdown(ctx context.Context, servers ...*http.Server) {
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), orDefault(s.Drain, DefaultDrain))
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(drain); err != nil {
			s.Log.Warn().Err(err).Msg("open requests were cut")
			_ = server.Close() // whatever is wrong with it, it is over
		}
	}
}

func (s Server) reviews() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/pods", s.Handler)
	return mux
}

func (s Server) probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	warning := kubeprobe.Warning{Now: time.Now}
	mux.HandleFunc("GET /readyz", s.ready(&warning))
	return mux
}

// ready answers a probe; while it succeeds, a kubelet's may be answered with a warning.
func (s Server) ready(warning *kubeprobe.Warning) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.Ready != nil {
			if err := s.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		problem := ""
		if s.Outdated != nil {
			problem = s.Outdated()
		}
		if !r.URL.Query().Has(kubeprobe.Query) || !warning.Answer(w, problem) {
			_, _ = w.Write([]byte("ok\n"))
		}
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
