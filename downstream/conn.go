package downstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// state is what a connection is doing. Who wants to end it looks here first.
type state int

const (
	fresh   state = iota // waiting for its first request
	waiting              // for a further one
	busy                 // with one
)

// freshTime is how long a new connection has for its request once Shutdown has begun:
// the request may well be on its way.
const freshTime = time.Second

// discardTime is how long a client has to send the rest of what is not wanted.
const discardTime = 500 * time.Millisecond

// conn is a connection that Server holds. It carries one request at a time.
type conn struct {
	wire   net.Conn
	server *Server
	rest   *Handoff

	mu    sync.Mutex // guards state, and deadlines that hang on it
	state state

	room  *[bufferSize]byte // that reads go to, from the pool; nil while there is nothing in it and a request is answered
	ahead []byte            // of room: what was read and not used yet

	remote string
	ctx    context.Context    //nolint:containedctx // of the connection: what its requests' derive from
	gone   context.CancelFunc // ends ctx
	stop   func()             // watching for the client's end

	posted  bool // the last request was one by POST, so line ends may follow it
	hurried bool // writes have a deadline
}

// serve answers plain requests, one after the other, and gives the connection away
// with the first other one.
func (c *conn) serve() {
	defer c.gone()
	until := in(c.server.config.ReadHeaderTimeout)
	for begin := 1; ; begin = furtherBegin {
		head := c.await(until, begin)
		if head < 0 {
			c.close()
			return
		}
		req := c.parse(head)
		if req == nil {
			if begin == furtherBegin {
				until = time.Time{} // it was for the wait alone
			}
			c.giveAway(until)
			return
		}
		if !c.answer(req) {
			c.close()
			return
		}
		until = in(c.server.config.IdleTimeout)
	}
}

// in is the time after patience, or none without.
func in(patience time.Duration) time.Time {
	if patience <= 0 {
		return time.Time{}
	}
	return time.Now().Add(patience)
}

// furtherBegin is how many bytes begin a further request on a connection: with fewer
// of them its end is nobody's error. It is what net/http has.
const furtherBegin = 4

// await waits for the next request, which the given number of bytes begins, and gives
// the length of its head: 0 if it is not plain, -1 if there will be none.
func (c *conn) await(until time.Time, begin int) int {
	if len(c.ahead) < begin {
		if c.setDeadline(until) != nil || c.fill(begin) != nil {
			return -1
		}
	}
	c.become(busy)
	if c.posted {
		c.trim()
	}
	return plainHead(c.ahead)
}

func (c *conn) become(s state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

// setDeadline bounds waiting for a request.
func (c *conn) setDeadline(until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.wire.SetReadDeadline(until); err != nil || !c.server.draining.Load() {
		return err
	}
	return c.hurry()
}

// hasten ends waiting for a request, of a new connection after freshTime.
func (c *conn) hasten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.hurry() // if it fails so does the wait
}

func (c *conn) hurry() error {
	switch c.state {
	case fresh:
		return c.wire.SetReadDeadline(time.Now().Add(freshTime))
	case waiting:
		return c.wire.SetReadDeadline(time.Unix(1, 0))
	default:
		return nil
	}
}

// trim drops line ends behind a POST, which old clients send without counting them
// (RFC 9112 section 2.2): as many as net/http does.
func (c *conn) trim() {
	begin := c.ahead[:min(len(c.ahead), furtherBegin)]
	if n := len(begin) - len(bytes.TrimLeft(begin, "\r\n")); n > 0 {
		c.use(n)
	}
}

// fill reads what has come, ahead of its use, until there are enough bytes.
func (c *conn) fill(enough int) error {
	if c.room == nil {
		c.room = c.server.rooms.Get().(*[bufferSize]byte)
	}
	c.ahead = c.room[:copy(c.room[:], c.ahead)]
	for len(c.ahead) < enough {
		n, err := c.wire.Read(c.room[len(c.ahead):])
		if c.ahead = c.room[:len(c.ahead)+n]; n == 0 && err != nil {
			return err // behind bytes it comes again
		}
	}
	return nil
}

// read reads a body: first what was read ahead. Who fails to send it is gone.
func (c *conn) read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		n, err := c.wire.Read(p)
		if err != nil {
			c.gone()
		}
		return n, err
	}
	n := copy(p, c.ahead)
	c.use(n)
	return n, nil
}

// use takes n bytes from what was read ahead. Streams are open for long, so the room
// goes back when it is empty.
func (c *conn) use(n int) {
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.server.rooms.Put(c.room)
		c.room, c.ahead = nil, nil
	}
}

// parse reads a plain request. It is nil if http.ReadRequest finds a fault in it all
// the same; then nothing is used.
func (c *conn) parse(head int) *http.Request {
	if head == 0 {
		return nil
	}
	p := c.server.parsers.Get().(*parser)
	defer p.release(&c.server.parsers)
	p.bytes.Reset(c.ahead[:head])
	p.Reset(&p.bytes)
	req, err := http.ReadRequest(p.Reader)
	if err != nil {
		return nil
	}
	req.Body = http.NoBody // that of http.ReadRequest reads the parser
	req.RemoteAddr = c.remote
	c.posted = req.Method == http.MethodPost
	c.use(head)
	return req
}

// parser is what http.ReadRequest reads from.
type parser struct {
	*bufio.Reader
	bytes bytes.Reader
}

// release gives the parser back with nothing in it.
func (p *parser) release(to *sync.Pool) {
	p.bytes.Reset(nil)
	p.Reset(nil)
	to.Put(p)
}

// answer has a request handled, and reports whether another one can follow.
func (c *conn) answer(req *http.Request) (again bool) {
	defer c.reportPanic()
	b := newBody(c, req.ContentLength)
	w := &reply{conn: c, body: b, header: make(http.Header)}
	defer w.release()
	if b.left > 0 {
		req.Body = b
		_ = w.SetReadDeadline(time.Time{}) // if it fails so will the read
	}
	c.server.config.Handler.ServeHTTP(w, req.WithContext(c.ctx))
	again = w.end()
	_ = w.SetWriteDeadline(time.Time{}) // if it fails so will the next write
	if !again || !b.discard() {
		b.linger()
		return false
	}
	c.become(waiting)
	return !c.server.draining.Load() // which may have been set since this was last waiting
}

// reportPanic ends what a handler panics with, as net/http does.
func (c *conn) reportPanic() {
	fault := recover()
	if fault == nil {
		return
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return
	}
	stack := make([]byte, 64<<10)
	c.server.complain(fmt.Sprintf("panic serving %s: %v\n%s", c.remote, fault, stack[:runtime.Stack(stack, false)]))
}

// giveAway leaves the connection to who can serve what it says. The rest of the head has
// to come before the given time, if there is one.
func (c *conn) giveAway(until time.Time) {
	c.server.forget(c)
	read := bytes.Clone(c.ahead)
	if len(read) > 0 {
		c.use(len(read))
	}
	begun := NewBegun(c.wire, read)
	begun.until = until
	c.rest.Give(begun)
}

func (c *conn) close() {
	c.server.forget(c)
	_ = c.wire.Close() // nobody waits for anything from it
}
