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
	plain  *downstream.Server // nil where the system cannot tell that a client is gone
	other  *http.Server       // of the data port, and of connections in clear out of a CONNECT
	inside *http.Server       // of those out of TLS in a CONNECT
}

func (p *Proxy) newServers(c *config.Config) (*servers, error) {
	s := &servers{
		other:  p.newServer(c, (*http.Protocols).SetHTTP2),
		inside: p.newServer(c, (*http.Protocols).SetUnencryptedHTTP2),
	}
	complaints := serverLog(p.log)
	working := context.WithValue(p.working, http.ServerContextKey, s.other) // httputil.ReverseProxy asks for it, to tell a server from a test
	var err error
	s.plain, err = downstream.New(downstream.Config{
		Handler:           p,
		ConnContext:       func(c net.Conn) context.Context { return withConn(working, c) },
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
func (s *servers) dataPort(tls bool) func(net.Listener) error {
	if tls {
		return s.other.Serve
	}
	return s.clear
}

// clear serves connections that are in clear, and opened those that were not.
func (s *servers) clear(l net.Listener) error  { return s.serve(l, s.other) }
func (s *servers) opened(l net.Listener) error { return s.serve(l, s.inside) }

func (s *servers) serve(l net.Listener, other *http.Server) error {
	if s.plain == nil {
		return other.Serve(l)
	}
	return s.plain.Serve(l, other)
}

// shutdown takes no more requests, and waits for those on their way until ctx ends.
func (s *servers) shutdown(ctx context.Context) error {
	var work sync.WaitGroup
	var failed [3]error
	work.Go(func() { failed[0] = s.other.Shutdown(ctx) })
	work.Go(func() { failed[1] = s.inside.Shutdown(ctx) })
	if s.plain != nil {
		work.Go(func() { failed[2] = s.plain.Shutdown(ctx) })
	}
	work.Wait()
	return errors.Join(failed[:]...)
}

// close closes what is open still.
func (s *servers) close() {
	_ = s.other.Close() // closing only fails for listeners closed already
	_ = s.inside.Close()
	if s.plain != nil {
		_ = s.plain.Close()
	}
}
