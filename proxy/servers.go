package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"sealcar/config"
	"sealcar/downstream"
)

// servers lead requests to the doors. A connection is downstream's as long as its
// requests are plain, and net/http's from the first other one on.
type servers struct {
	plain   *downstream.Server // nil where the system cannot tell that a client is gone
	other   *http.Server       // of the data port, and of connections in clear out of a CONNECT
	framing *http.Server       // of those out of TLS in a CONNECT
}

func (p *Proxy) newServers(c *config.Config) (*servers, error) {
	s := &servers{
		other:   p.newServer(c, (*http.Protocols).SetHTTP2),
		framing: p.newServer(c, (*http.Protocols).SetUnencryptedHTTP2),
	}
	complaints := serverLog(p.log)
	working := context.WithValue(p.working, http.ServerContextKey, s.other) // httputil.ReverseProxy asks for it, to tell a server from a test
	var err error
	s.plain, err = downstream.New(downstream.Config{
		Handler:           p,
		Context:           func(c net.Conn) context.Context { return withConn(working, c) },
		ReadHeaderTimeout: c.Timeouts.ReadHeader,
		IdleTimeout:       c.Timeouts.Idle,
		Complain:          func(what string) { complaints.Print(what) },
	})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("preparing the data port: %w", err)
	}
	return s, nil
}

// newServer is a server of net/http's. It speaks HTTP/1.1, and HTTP/2 in one way:
// where net/http sees TLS it goes by ALPN, and in clear there is none. Inside a
// CONNECT we have taken TLS off ourselves, and it goes by what the client says first:
// some speak HTTP/2 whatever was agreed on (httpx).
func (p *Proxy) newServer(c *config.Config, http2 func(*http.Protocols, bool)) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	http2(protocols, true)
	return &http.Server{
		Handler:                      p,
		DisableGeneralOptionsHandler: true, // OPTIONS * would slip past the Host check
		ReadHeaderTimeout:            c.Timeouts.ReadHeader,
		IdleTimeout:                  c.Timeouts.Idle,
		MaxHeaderBytes:               readableHead(c.Limits),
		ErrorLog:                     serverLog(p.log),
		BaseContext:                  func(net.Listener) context.Context { return p.working },
		ConnContext:                  withConn,
		Protocols:                    protocols,
		HTTP2:                        http2Bounds(c),
	}
}

// dataPort serves the data port. With TLS all of it is net/http's, which goes by what
// TLS says.
func (s *servers) dataPort(l net.Listener) error {
	if _, inClear := l.(clearListener); !inClear {
		return s.other.Serve(l)
	}
	return s.clear(l)
}

// clear serves connections that are in clear, and decrypted those that were not.
func (s *servers) clear(l net.Listener) error     { return s.serve(l, s.other) }
func (s *servers) decrypted(l net.Listener) error { return s.serve(l, s.framing) }

// serve serves l until shutdown: what is not plain by other.
func (s *servers) serve(l net.Listener, other *http.Server) error {
	if s.plain == nil {
		return other.Serve(l)
	}
	rest := newHandoff()
	var others sync.WaitGroup
	others.Go(func() { _ = other.Serve(rest) }) // ends with shutdown, or with rest
	err := s.plain.Serve(l, func(c net.Conn, read []byte) { rest.give(&headConn{Conn: c, head: read}) })
	if !errors.Is(err, http.ErrServerClosed) {
		_ = rest.Close()
	}
	others.Wait()
	return err
}

// shutdown takes no more requests, and waits for those on their way until ctx ends.
func (s *servers) shutdown(ctx context.Context) error {
	var work sync.WaitGroup
	var failed [3]error
	work.Go(func() { failed[0] = s.other.Shutdown(ctx) })
	work.Go(func() { failed[1] = s.framing.Shutdown(ctx) })
	if s.plain != nil {
		work.Go(func() { failed[2] = s.plain.Shutdown(ctx) })
	}
	work.Wait()
	return errors.Join(failed[:]...)
}

// close closes what is open still.
func (s *servers) close() {
	_ = s.other.Close() // closing only fails for listeners closed already
	_ = s.framing.Close()
	if s.plain != nil {
		_ = s.plain.Close()
	}
}
