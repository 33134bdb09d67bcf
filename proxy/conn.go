package proxy

import (
	"context"
	"net"
	"net/http"

	"sealcar/downstream"
)

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
	if begun, ok := c.(*downstream.Begun); ok {
		c = begun.NetConn()
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
