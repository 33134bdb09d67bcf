package proxy

import (
	"net"

	"github.com/rs/zerolog"
)

// clearListener is a data port without TLS. net/http answers TLS there with a 400
// in clear, which clients show as a failed handshake: only the log can say why.
type clearListener struct {
	net.Listener
	log *zerolog.Logger
}

// Accept gives the next connection.
func (l clearListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err // as it is: net/http asks it whether it is temporary
	}
	return &clearConn{Conn: c, log: l.log}, nil
}

// clearConn looks at the first byte that a client sends.
type clearConn struct {
	net.Conn
	log   *zerolog.Logger
	begun bool
}

func (c *clearConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.begun {
		c.begun = true
		if b[0] == recordHandshake {
			c.log.Warn().Msg("a client speaks TLS to the data port, which is plain HTTP: write its base URL or proxy with http://, or set listen_tls")
		}
	}
	return n, err
}

// CloseWrite ends our side only, if the connection can do that.
func (c *clearConn) CloseWrite() error { return closeWrite(c.Conn) }

// NetConn is the connection below, as (*tls.Conn).NetConn.
func (c *clearConn) NetConn() net.Conn { return c.Conn }
