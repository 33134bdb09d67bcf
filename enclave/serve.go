package enclave

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"

	"golang.org/x/net/netutil"
)

const maxHeaderBytes = 64 << 10

// Serve answers HTTPS on ln, HTTP/1.1 and HTTP/2, until ctx ends. Then it takes
// no more requests, gives the open ones Options.Drain to end, cuts the rest and
// returns nil. It closes ln. A connection over Options.MaxConnections waits in the
// kernel's queue: before its TLS handshake there is nothing to tell it.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	b, stop, err := s.openBackend(ctx)
	if err != nil {
		_ = ln.Close() // the backend's error is the one that counts
		return err
	}
	defer stop()
	server := &http.Server{
		Handler:           s.handler(b),
		ReadHeaderTimeout: s.o.ReadHeader,
		ReadTimeout:       s.o.ReadRequest, // net/http ends it with the body, so long replies are free of it
		IdleTimeout:       s.o.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          s.errorLog(),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.pki.Load().server}},
	}
	served := make(chan error, 1)
	go func() { served <- s.serve(server, netutil.LimitListener(ln, s.o.MaxConnections)) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serving on %s: %w", ln.Addr(), err), server.Close())
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Drain)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		s.o.Log.Warn().Err(err).Msg("open requests were cut")
		_ = server.Close() // whatever is wrong with it, it is over
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", ln.Addr(), err)
	}
	return nil
}

// serve accepts connections. A tapped one is no *tls.Conn, which net/http needs
// to see for HTTP/2.
func (s *Server) serve(server *http.Server, ln net.Listener) error {
	if s.o.Tap == nil {
		return server.ServeTLS(ln, "", "")
	}
	return server.Serve(tapListener{Listener: ln, config: server.TLSConfig, tap: s.o.Tap})
}

// tapListener shows the inside of its TLS connections to tap. The handshake
// happens at the first read, so that a slow client stalls only itself.
type tapListener struct {
	net.Listener
	config *tls.Config
	tap    func(net.Conn) net.Conn
}

func (l tapListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.tap(tls.Server(conn, l.config)), nil
}

// openBackend gives the way to the backend and what ends it.
func (s *Server) openBackend(ctx context.Context) (rt http.RoundTripper, stop func(), err error) {
	base, end := s.base, func() {}
	if base == nil {
		if base, end, err = s.startEcho(ctx); err != nil {
			return nil, nil, err
		}
	}
	b := newBackend(base, s.o)
	rt = b
	if s.o.TapBackend != nil {
		rt = s.o.TapBackend(b)
	}
	return rt, func() { b.close(); end() }, nil
}

// errorLog takes what net/http has to say of connections that went wrong.
func (s *Server) errorLog() *log.Logger { return log.New(s.o.Log, "", 0) }
