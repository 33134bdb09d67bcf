package downstream

import (
	"net"
	"sync"
)

// Handoff is a net.Listener that accepts connections made inside the process.
type Handoff struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewHandoff makes one that is open.
func NewHandoff() *Handoff {
	return &Handoff{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Give passes c to Accept, which owns it from then on; after Close it closes c.
func (h *Handoff) Give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close() // nobody will serve it
	}
}

// Accept waits for the next connection.
func (h *Handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Give.
func (h *Handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr has no meaning inside a process; it names what the listener is.
func (h *Handoff) Addr() net.Addr { return handoffAddr{} }

type handoffAddr struct{}

func (handoffAddr) Network() string { return "inner" }
func (handoffAddr) String() string  { return "connections made inside the process" }
