package proxy

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// headConn is a connection some of whose bytes have been read already.
type headConn struct {
	net.Conn
	head []byte // read before the rest
}

func (c *headConn) Read(b []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.head)
	c.head = c.head[n:]
	return n, nil
}

// CloseWrite ends our side only, if the connection can do that.
func (c *headConn) CloseWrite() error { return closeWrite(c.Conn) }

// NetConn is the connection below, as (*tls.Conn).NetConn.
func (c *headConn) NetConn() net.Conn { return c.Conn }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// innerConn is a connection that came out of a CONNECT, TLS taken off, on its
// way to the server. All its requests are for one target.
type innerConn struct {
	net.Conn
	door   string
	target target
	client string // who sent the CONNECT
}

// CloseWrite lets net/http end the reply before it closes a connection on which
// the application is still sending: else what the application has not read yet is
// lost with the reset.
func (c *innerConn) CloseWrite() error { return closeWrite(c.Conn) }

// NetConn is the connection below.
func (c *innerConn) NetConn() net.Conn { return c.Conn }

type connKey struct{}

// withConn lets requests find their connection: the one out of a CONNECT, if it is one,
// whatever has been read of it already.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if begun, ok := c.(*headConn); ok {
		c = begun.Conn
	}
	return context.WithValue(ctx, connKey{}, c)
}

// innerOf is the connection out of a CONNECT that the request came by, or nil.
func innerOf(r *http.Request) *innerConn {
	c, _ := r.Context().Value(connKey{}).(*innerConn)
	return c
}

// reset ends a request's connection with a TCP reset. HTTP/1.0 replies without
// a length end with the connection: after an orderly end, in TCP or TLS, one
// that was cut would look complete.
func reset(r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	for {
		switch below := c.(type) {
		case *net.TCPConn:
			_ = below.SetLinger(0) // fails on a closed connection, as Close does, which is as well
			_ = below.Close()
			return
		case interface{ NetConn() net.Conn }:
			c = below.NetConn()
		default:
			return
		}
	}
}

// handoff is a net.Listener that accepts connections made inside the process.
type handoff struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give passes c to Accept, which owns it from then on; after Close it closes c.
func (h *handoff) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close() // nobody will serve it
	}
}

// Accept waits for the next connection.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and give.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr has no meaning inside a process; it names what the listener is.
func (h *handoff) Addr() net.Addr { return handoffAddr{} }

type handoffAddr struct{}

func (handoffAddr) Network() string { return "inner" }
func (handoffAddr) String() string  { return "connections out of CONNECT" }
