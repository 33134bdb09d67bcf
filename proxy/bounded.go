package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sealcar/socket"
)

// Refused connections are read for a moment before they are closed: closing one
// with unread bytes resets it, and the client would not come to see the answer.
// No more than lingering of them at a time; the rest is closed at once.
const (
	lingering   = 64
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// bounded is a net.Listener that refuses connections beyond a number at once.
// One that left them in the kernel's queue, as netutil.LimitListener does, would
// let their clients time out without a word. A connection counts until it is
// closed, so one that is taken out of a CONNECT, or becomes a tunnel, goes on
// counting.
type bounded struct {
	net.Listener
	limit   int64
	refusal string // what is sent to the refused; "" sends nothing
	refused func() // told of each

	open   atomic.Int64
	places chan struct{} // a token per connection that lingers
	linger sync.WaitGroup
}

func newBounded(l net.Listener, limit int, refusal string, refused func()) *bounded {
	return &bounded{Listener: l, limit: int64(limit), refusal: refusal, refused: refused, places: make(chan struct{}, lingering)}
}

// Accept gives the next connection for which there is a place. Only the one
// server may call it.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err // as it is: net/http asks it whether it is temporary
		}
		if b.open.Load() < b.limit {
			b.open.Add(1)
			return &countedConn{Conn: socket.Direct(c), open: &b.open}, nil
		}
		b.refused()
		b.refuse(c)
	}
}

// refuse says no and closes c.
func (b *bounded) refuse(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(lingerTime)) // if it fails so will the write
	_, err := io.WriteString(c, b.refusal)        // does not wait: a new connection has room for it
	if err != nil || closeWrite(c) != nil {
		_ = c.Close()
		return
	}
	select {
	case b.places <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	b.linger.Go(func() { // ends within lingerTime
		_, _ = io.CopyN(io.Discard, c, lingerBytes) // whatever ends it, the connection is over
		_ = c.Close()
		<-b.places
	})
}

// Wait waits until no refused connection lingers. It is for after Close.
func (b *bounded) Wait() { b.linger.Wait() }

// countedConn is a connection that gives its place back when it is closed.
type countedConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// CloseWrite ends our side only, if the connection can do that.
func (c *countedConn) CloseWrite() error { return closeWrite(c.Conn) }

// NetConn is the connection below, as (*tls.Conn).NetConn.
func (c *countedConn) NetConn() net.Conn { return c.Conn }
