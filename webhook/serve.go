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
)

// Timeouts of a server where its owner sets none.
const (
	DefaultTimeout = 10 * time.Second // an API server waits for 10 s by default
	DefaultDrain   = 10 * time.Second
)

const (
	idleTimeout    = 2 * time.Minute // API servers keep their connections
	maxHeaderBytes = 64 << 10
	maxConnections = 64 // more wait in the kernel's queue; each API server has one
	maxStreams     = 32 // requests of one connection
)

// Server is the webhook's server: POST /pods is for the API server, GET /healthz
// and /readyz are for probes. All are HTTPS on one port.
type Server struct {
	Handler     *Handler
	Certificate func() (*tls.Certificate, error) // asked for each handshake
	Ready       func() error                     // why it cannot be called yet; nil: it can always be
	Timeout     time.Duration                    // of a request altogether; 0: DefaultTimeout
	Drain       time.Duration                    // for open requests at the end; 0: DefaultDrain
	Log         zerolog.Logger
}

// Serve answers on ln until ctx ends. Then it takes no more requests, gives the
// open ones Drain to end, cuts the rest and returns nil. It closes ln.
func (s Server) Serve(ctx context.Context, ln net.Listener) error {
	timeout := orDefault(s.Timeout, DefaultTimeout)
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: timeout,
		ReadTimeout:       timeout,
		WriteTimeout:      2 * timeout, // it begins with the request's header
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          log.New(s.Log, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate() },
		},
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(netutil.LimitListener(ln, maxConnections), "", "") }()
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), orDefault(s.Drain, DefaultDrain))
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		s.Log.Warn().Err(err).Msg("open requests were cut")
		_ = server.Close() // whatever is wrong with it, it is over
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", ln.Addr(), err)
	}
	return nil
}

func (s Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/pods", s.Handler)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.Ready != nil {
			if err := s.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
