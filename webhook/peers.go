package webhook

import (
	"net"
	"sync"
)

// maxOfOnePeer is how many connections one address may have. API servers need one
// each, also when some come from the address of a proxy.
const maxOfOnePeer = 16

// peers is a net.Listener that closes connections beyond maxOfOnePeer of an address
// at once, so that no pod alone can take all there are.
type peers struct {
	net.Listener

	mu   sync.Mutex
	open map[string]int // by address; none is 0
}

func newPeers(l net.Listener) *peers {
	return &peers{Listener: l, open: make(map[string]int)}
}

func (p *peers) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err // as it is: net/http asks it whether it is temporary
		}
		address := c.RemoteAddr().String()
		if host, _, err := net.SplitHostPort(address); err == nil {
			address = host
		}
		if p.enter(address) {
			return &peerConn{Conn: c, leave: sync.OnceFunc(func() { p.leave(address) })}, nil
		}
		_ = c.Close() // whatever is wrong with it, it is over
	}
}

func (p *peers) enter(address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[address] >= maxOfOnePeer {
		return false
	}
	p.open[address]++
	return true
}

func (p *peers) leave(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[address]--; p.open[address] == 0 {
		delete(p.open, address)
	}
}

// peerConn counts until it is closed.
type peerConn struct {
	net.Conn
	leave func()
}

func (c *peerConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
