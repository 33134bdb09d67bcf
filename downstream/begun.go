package downstream

import (
	"net"
	"sync"
	"time"
)

// Begun is a connection some of whose bytes have been read already.
type Begun struct {
	net.Conn
	read []byte // before the rest

	mu    sync.Mutex
	until time.Time // when the first head has to be there; the zero value bounds nothing
}

// NewBegun is c, of which read has been read.
func NewBegun(c net.Conn, read []byte) *Begun { return &Begun{Conn: c, read: read} }

// Read implements net.Conn.
func (c *Begun) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	c.read = c.read[n:]
	return n, nil
}

// SetReadDeadline implements net.Conn. It keeps net/http, which counts anew, to the
// time that the first head was given, until it lifts its deadline with the head.
func (c *Begun) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t.IsZero():
		c.until = t
	case !c.until.IsZero() && t.After(c.until):
		t = c.until
	}
	return c.Conn.SetReadDeadline(t)
}

// CloseWrite ends our side only, if the connection can do that.
func (c *Begun) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// NetConn is the connection below, as (*tls.Conn).NetConn.
func (c *Begun) NetConn() net.Conn { return c.Conn }
