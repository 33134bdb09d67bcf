//go:build linux && (amd64 || arm64)

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Large is the length, in bytes, from which on reads and writes are package net's.
const Large = 32 << 10

// Conn is a TCP connection. Everything but Read and Write is that of the
// connection below.
type Conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
}

// Direct makes a Conn of c if it is a *net.TCPConn, and otherwise gives c itself.
func Direct(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	d := &Conn{TCPConn: tcp, raw: raw}
	d.in.step, d.out.step = d.in.read, d.out.write // made once: a closure a call would be garbage each time
	return d
}

// NetConn is the connection below, as (*tls.Conn).NetConn.
func (c *Conn) NetConn() net.Conn { return c.TCPConn }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 || len(p) >= Large {
		return c.TCPConn.Read(p)
	}
	n, err := c.in.run(p, c.raw.Read)
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	return n, c.explain("read", err)
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) >= Large {
		return c.TCPConn.Write(p)
	}
	n, err := c.out.run(p, c.raw.Write)
	return n, c.explain("write", err)
}

// explain gives an error the form that those of a *net.TCPConn have.
func (c *Conn) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, number)
	} else if below, ok := errors.AsType[*net.OpError](err); ok { // of a deadline, or a closed connection
		err = below.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// transfer is one direction of a connection. Those who read at once take turns, as
// do those who write, which is package net's rule too.
type transfer struct {
	mu   sync.Mutex
	step func(fd uintptr) (done bool)
	p    []byte
	n    int // of p
	err  syscall.Errno
}

// run lets wait call step until that is done: at once, and each time the socket
// is ready again.
func (t *transfer) run(p []byte, wait func(func(uintptr) bool) error) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p, t.n, t.err = p, 0, 0
	err := wait(t.step)
	t.p = nil
	if err == nil && t.err != 0 {
		err = t.err
	}
	return t.n, err
}

func (t *transfer) read(fd uintptr) bool {
	t.n, t.err = read(fd, t.p)
	return t.err != syscall.EAGAIN
}

func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		var n int
		n, t.err = write(fd, t.p[t.n:])
		t.n += n
		if t.err != 0 {
			return t.err != syscall.EAGAIN
		}
	}
	return true
}
