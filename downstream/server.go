package downstream

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sealcar/socket"
)

// Config is what New needs to know. Handler is required.
type Config struct {
	// Handler answers requests. Their context ends with the connection, and not when
	// the handler returns: who leaves work behind gives it a context of its own.
	Handler     http.Handler
	ConnContext func(net.Conn) context.Context // that a connection's requests have; nil means context.Background

	ReadHeaderTimeout time.Duration // until the first request; 0 means no bound
	IdleTimeout       time.Duration // until each further one; 0 means no bound

	Complain func(string) // told of panics and of trouble with accepting; nil means nobody
}

// Server serves the plain requests of connections. Close ends it.
type Server struct {
	config  Config
	watcher *socket.Watcher

	rooms, writers, parsers sync.Pool

	// Headers whose place is taken by what we say about a reply's end.
	framing, framingOfLast map[string]bool

	draining atomic.Bool

	mu        sync.Mutex // guards listeners and conns
	listeners []net.Listener
	conns     map[*conn]struct{}
	open      sync.WaitGroup // of conns
}

const bufferSize = 4 << 10 // bytes, as net/http's; longer heads are not served here

// New makes a server. Its error is errors.ErrUnsupported where the system cannot
// tell that a client is gone.
func New(c Config) (*Server, error) {
	watcher, err := socket.NewWatcher()
	if err != nil {
		return nil, err
	}
	if c.ConnContext == nil {
		c.ConnContext = func(net.Conn) context.Context { return context.Background() }
	}
	if c.Complain == nil {
		c.Complain = func(string) {}
	}
	s := &Server{
		config: c, watcher: watcher, conns: map[*conn]struct{}{},
		framing:       map[string]bool{"Content-Length": true, "Transfer-Encoding": true},
		framingOfLast: map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true},
	}
	s.rooms.New = func() any { return new([bufferSize]byte) }
	s.writers.New = func() any { return bufio.NewWriterSize(nil, bufferSize) }
	s.parsers.New = func() any { return &parser{Reader: bufio.NewReaderSize(nil, bufferSize)} }
	return s, nil
}

// Serve serves the connections of l until Shutdown, after which its error is
// http.ErrServerClosed, or until l fails; then l is closed. A connection that has sent
// another request than a plain one is rest's from then on. Whoever shuts down the one
// server shuts down the other too.
func (s *Server) Serve(l net.Listener, rest *http.Server) error {
	others := NewHandoff()
	var work sync.WaitGroup
	work.Go(func() { _ = rest.Serve(others) }) // ends with others
	defer work.Wait()
	defer func() { _ = others.Close() }() // neither can fail, or matters any more
	defer func() { _ = l.Close() }()
	s.remember(l)
	wait := firstWait
	for {
		c, err := l.Accept()
		switch e, ok := errors.AsType[net.Error](err); {
		case err == nil:
			wait = firstWait
			s.take(c, others)
		case s.draining.Load():
			return http.ErrServerClosed
		case ok && e.Temporary(): //nolint:staticcheck // what net/http asks: too many open files pass
			s.complain("accepting: " + err.Error())
			time.Sleep(wait)
			wait = min(2*wait, maxWait)
		default:
			return err
		}
	}
}

// remember keeps a listener for Shutdown, which may have been there already.
func (s *Server) remember(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
	if s.draining.Load() {
		_ = l.Close() // nobody waits for anything from it
	}
}

// How long to wait when a connection could not be accepted, as net/http does.
const (
	firstWait = 5 * time.Millisecond
	maxWait   = time.Second
)

// take serves a connection on a goroutine of its own, which ends with it.
func (s *Server) take(raw net.Conn, rest *Handoff) {
	c := s.hold(raw, rest)
	if c == nil {
		_ = raw.Close() // nobody waits for anything from it
		return
	}
	var err error
	c.stop, err = s.watcher.Watch(raw, c.gone)
	if err != nil { // what cannot be watched has to be read
		if !errors.Is(err, socket.ErrNoTCP) {
			s.complain(err.Error())
		}
		c.gone()
		c.giveAway(time.Time{})
		return
	}
	go c.serve()
}

// hold remembers a connection for who ends the server. It gives nil if somebody has:
// Shutdown may wait already, for those that were held before.
func (s *Server) hold(raw net.Conn, rest *Handoff) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return nil
	}
	c := &conn{wire: raw, server: s, rest: rest, remote: raw.RemoteAddr().String()}
	c.ctx, c.gone = context.WithCancel(s.config.ConnContext(raw))
	s.conns[c] = struct{}{}
	s.open.Add(1)
	return c
}

// forget drops a connection that has ended or been given away.
func (s *Server) forget(c *conn) {
	if c.stop != nil {
		c.stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.open.Done()
}

// Shutdown closes the listeners and what waits for a further request, and waits for
// other connections to end with theirs, until ctx ends. New ones have a moment for a
// first request, which may be on its way.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.closeListeners()
	s.each((*conn).hasten)
	over := make(chan struct{})
	go func() { // ends with the last connection
		s.open.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes all connections, and ends what Shutdown has not.
func (s *Server) Close() error {
	s.draining.Store(true)
	s.closeListeners()
	var closing sync.WaitGroup
	s.each(func(c *conn) {
		closing.Go(func() { // TLS may wait for room for its farewell
			c.gone() // the system tells of the other end's end alone
			_ = c.wire.Close()
		})
	})
	closing.Wait()
	return s.watcher.Close()
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		_ = l.Close() // fails only if it is closed already
	}
}

func (s *Server) each(do func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		do(c)
	}
}

func (s *Server) complain(what string) { s.config.Complain(what) }
