package downstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

// What a connection is doing. Who wants to end it looks here first.
const (
	waiting = int32(iota) // for a request
	busy                  // with one
	ended                 // to be closed
)

// discardTime is how long a client has to send the rest of what is not wanted.
const discardTime = 500 * time.Millisecond

// conn is a connection that Server holds. It carries one request at a time.
type conn struct {
	wire   net.Conn
	server *Server
	rest   func(net.Conn, []byte)
	state  atomic.Int32

	room  *[bufferSize]byte // that reads go to, from the pool; nil while there is nothing in it
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
	patience, begin := c.server.config.ReadHeaderTimeout, 1
	for {
		head := c.await(patience, begin)
		if head < 0 {
			c.close()
			return
		}
		req := c.parse(head)
		if req == nil {
			c.giveAway()
			return
		}
		if !c.answer(req) {
			c.close()
			return
		}
		patience, begin = c.server.config.IdleTimeout, furtherBegin
	}
}

// furtherBegin is how many bytes begin a further request on a connection: with fewer
// of them its end is nobody's error. It is what net/http has.
const furtherBegin = 4

// await waits for the next request, which the given number of bytes begins, and gives
// the length of its head: 0 if it is not plain, -1 if there will be none.
func (c *conn) await(patience time.Duration, begin int) int {
	if len(c.ahead) < begin {
		var deadline time.Time
		if patience > 0 {
			deadline = time.Now().Add(patience)
		}
		if c.wire.SetReadDeadline(deadline) != nil || c.fill(begin) != nil {
			return -1
		}
	}
	if !c.state.CompareAndSwap(waiting, busy) {
		return -1
	}
	if c.posted {
		c.trim()
	}
	return plainHead(c.ahead)
}

// trim drops line ends behind a POST, which old clients send without counting them
// (RFC 9112 section 2.2): as many as net/http does.
func (c *conn) trim() {
	begin := c.ahead[:furtherBegin]
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
	defer c.server.parsers.Put(p)
	p.bytes.Reset(c.ahead[:head])
	p.Reset(&p.bytes)
	req, err := http.ReadRequest(p.Reader)
	if err != nil {
		return nil
	}
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

// answer has a request handled, and reports whether another one can follow.
func (c *conn) answer(req *http.Request) (again bool) {
	defer c.recover()
	b := &body{conn: c, left: req.ContentLength}
	req.Body = http.NoBody
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
		c.linger(b)
		return false
	}
	c.state.Store(waiting)
	return !c.server.draining.Load() // which may have been set since this was last waiting
}

// recover ends what a handler panics with, as net/http does.
func (c *conn) recover() {
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

// linger reads a while what the client still sends: closing a connection with unread
// bytes resets it, and the client would not come to see the reply.
func (c *conn) linger(b *body) {
	half, ok := c.wire.(interface{ CloseWrite() error })
	if b.remains() == 0 || !ok || half.CloseWrite() != nil || c.wire.SetReadDeadline(time.Now().Add(discardTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.wire, maxDiscard) // whatever ends it, the connection is over
}

// giveAway leaves the connection to who can serve what it says.
func (c *conn) giveAway() {
	c.server.forget(c)
	read := bytes.Clone(c.ahead)
	if len(read) > 0 {
		c.use(len(read))
	}
	if err := c.wire.SetReadDeadline(time.Time{}); err != nil {
		_ = c.wire.Close()
		return
	}
	c.rest(c.wire, read)
}

func (c *conn) close() {
	c.server.forget(c)
	_ = c.wire.Close() // nobody waits for anything from it
}

// end closes the connection if it waits for a request.
func (c *conn) end() {
	if c.state.CompareAndSwap(waiting, ended) {
		_ = c.wire.Close() // its goroutine sees to the rest
	}
}
