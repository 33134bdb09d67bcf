package ark

import (
	"crypto/ecdh"
	"sync"
	"time"
)

// SessionsConfig is what Sessions are made of.
type SessionsConfig struct {
	Ahead int           // sessions kept for one key at most; 0 means 256
	Idle  time.Duration // those of a key that nobody asks for are dropped after this long, at most twice this long; 0 means 5 min
}

const (
	defaultAhead       = 256
	defaultSessionIdle = 5 * time.Minute

	// firstAhead is how many sessions are made for a key at first. Each time they
	// did not suffice there will be twice as many, up to SessionsConfig.Ahead, so
	// that an application that asks now and then costs next to nothing.
	firstAhead = 8

	// maxStocks bounds the keys that sessions are made ahead for. Models share
	// certificates, so few are in use; chats to further ones have their sessions
	// made inline until one of these has gone idle.
	maxStocks = 16
)

// Sessions makes client sessions ahead of time: drawing an ephemeral key and
// agreeing on a secret is nearly all that sealing a short chat costs, and needs
// nothing of the chat. Each session is handed out once. Safe for concurrent use.
//
// What it holds are the keys of requests to come, so it holds none for a key
// that is out of use (Forget), that nobody asked for in a while (Idle), or once
// it is closed. They are dropped, not overwritten: Go gives no access to the key
// schedules inside crypto/aes.
type Sessions struct {
	ahead int
	idle  time.Duration
	wake  chan struct{} // a stock is low
	stop  chan struct{} // closed by Close
	work  sync.WaitGroup

	mu      sync.Mutex
	stocks  map[pointBytes]*stock
	working bool // one goroutine fills all stocks, and is there only while there are some
	closed  bool
}

// pointBytes is an uncompressed point of P-256.
type pointBytes [65]byte

// stock are the sessions that are ready for one key.
type stock struct {
	peer  *ecdh.PublicKey
	ready chan *Session // gives each to one taker, the oldest first
	size  int           // how many there should be
	low   bool          // it is to be filled up to size
	asked bool          // since the last look at what is idle
}

// NewSessions makes Sessions that hold nothing yet. Close ends them.
func NewSessions(c SessionsConfig) *Sessions {
	s := &Sessions{ahead: c.Ahead, idle: c.Idle, wake: make(chan struct{}, 1), stop: make(chan struct{}), stocks: map[pointBytes]*stock{}}
	if s.ahead <= 0 {
		s.ahead = defaultAhead
	}
	if s.idle <= 0 {
		s.idle = defaultSessionIdle
	}
	return s
}

// New gives a session with peer, the key of the endpoint's certificate: one made
// ahead if there is one, else a fresh one, as NewSession makes it.
func (s *Sessions) New(peer *ecdh.PublicKey) (*Session, error) {
	if ready := s.take(peer); ready != nil {
		return ready, nil
	}
	return NewSession(peer)
}

// Forget drops what was made for peer, whose certificate is out of use.
func (s *Sessions) Forget(peer *ecdh.PublicKey) {
	id, _ := identify(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stocks, id)
}

// Close drops everything and waits for the work to end. After that New makes
// each session when it is asked for.
func (s *Sessions) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
		clear(s.stocks)
	}
	s.mu.Unlock()
	s.work.Wait()
}

// take gives a session that is ready, or nil, and sees to it that more will be.
func (s *Sessions) take(peer *ecdh.PublicKey) *Session {
	id, ok := identify(peer)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	st := s.stocks[id]
	if st == nil {
		s.add(id, peer)
		return nil
	}
	st.asked = true
	select {
	case ready := <-st.ready:
		if len(st.ready) <= st.size/2 {
			s.fill(st)
		}
		return ready
	default:
		st.size = min(2*st.size, s.ahead)
		s.fill(st)
		return nil
	}
}

// identify gives what tells one key of P-256 from another, and false for a key
// that is not on it.
func identify(peer *ecdh.PublicKey) (id pointBytes, ok bool) {
	return id, peer.Curve() == ecdh.P256() && copy(id[:], peer.Bytes()) == len(id)
}

// add starts a stock, and the worker if there is none, under the lock.
func (s *Sessions) add(id pointBytes, peer *ecdh.PublicKey) {
	if len(s.stocks) >= maxStocks {
		return
	}
	st := &stock{peer: peer, ready: make(chan *Session, s.ahead), size: min(firstAhead, s.ahead), asked: true}
	s.stocks[id] = st
	s.fill(st)
	if !s.working {
		s.working = true
		s.work.Go(s.fillAll)
	}
}

// fill has a stock filled up, under the lock.
func (s *Sessions) fill(st *stock) {
	st.low = true
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// fillAll is the worker. It ends when nothing is left to work for.
func (s *Sessions) fillAll() {
	look := time.NewTicker(s.idle)
	defer look.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			for st := s.lowest(); st != nil && st.make(); st = s.lowest() {
			}
		case <-look.C:
			if s.dropIdle() {
				return
			}
		}
	}
}

// lowest is the stock that wants a session most; nil if none wants any, or
// after Close.
func (s *Sessions) lowest() (found *stock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stocks {
		if st.low = st.low && len(st.ready) < st.size; st.low && (found == nil || len(st.ready) < len(found.ready)) {
			found = st
		}
	}
	return found
}

// make adds a session. If it cannot, New will fail in the same way and say so.
func (st *stock) make() bool {
	session, err := NewSession(st.peer)
	if err == nil {
		st.ready <- session // there is room: nobody else adds
	}
	return err == nil
}

// dropIdle drops the stocks that nobody asked for since it looked last, and
// tells whether none is left, so that the worker ends.
func (s *Sessions) dropIdle() (none bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, st := range s.stocks {
		if !st.asked {
			delete(s.stocks, id)
		}
		st.asked = false
	}
	s.working = len(s.stocks) > 0
	return !s.working
}
