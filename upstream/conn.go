package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"sealcar/socket"
)

// conn is a connection that Pool holds. It carries one request at a time.
type conn struct {
	net.Conn // TLS
	pool     *Pool
	host     string
	raw      net.Conn        // below TLS; closing it ends everything at once
	socket   syscall.RawConn // of raw
	limited  io.LimitedReader
	in       *bufio.Reader // of limited
	out      *bufio.Writer
	since    time.Time // it is idle
}

var errNoSocket = errors.New("the connection is no socket")

func newConn(p *Pool, host string, raw, shaken net.Conn) (*conn, error) {
	system, ok := raw.(syscall.Conn)
	if !ok {
		return nil, errNoSocket
	}
	socket, err := system.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("looking at a connection: %w", err)
	}
	c := &conn{Conn: shaken, pool: p, host: host, raw: raw, socket: socket}
	c.limited.R = shaken
	c.in, c.out = bufio.NewReader(&c.limited), bufio.NewWriterSize(shaken, writeBuffer)
	return c, nil
}

// roundTrip sends a request and gives its reply, whose end gives the connection
// back to the pool. The end of the request's context closes it.
func (c *conn) roundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	resp, err := c.exchange(req)
	if err != nil {
		stop()
		_ = c.raw.Close()
		return nil, because(ctx, err)
	}
	body := &reply{ReadCloser: resp.Body, conn: c, ctx: ctx, stop: stop}
	body.keep = !resp.Close && resp.StatusCode >= http.StatusOK
	if resp.Body == http.NoBody {
		body.finish(true)
	} else {
		resp.Body = body
	}
	return resp, nil
}

// because is why a request ended: its context's end comes out as an error of the
// connection.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// exchange sends a request and reads until the headers of its final response.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	var deadline time.Time
	if c.pool.header > 0 {
		deadline = time.Now().Add(c.pool.header)
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, errors.Join(fmt.Errorf("setting a deadline: %w", err), closeBody(req))
	}
	if err := req.Write(whole{c.out}); err != nil { // closes the body
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	if err := c.out.Flush(); err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	resp, err := c.readResponse(req)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("lifting a deadline: %w", err)
	}
	return resp, nil
}

// whole lets a request leave in one piece: http.Request.Write flushes the headers
// of a *bufio.Writer before a body that it does not know to be in memory.
type whole struct{ *bufio.Writer }

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// headersTooLarge is a response with more bytes of headers than that.
type headersTooLarge int64

func (e headersTooLarge) Error() string {
	return fmt.Sprintf("the response's headers are over %d bytes", int64(e))
}

// Trouble is what an application is told.
func (e headersTooLarge) Trouble() string {
	return fmt.Sprintf("its response has more than %d bytes of headers. Raise limits.header_bytes if it is right.", int64(e))
}

// readResponse reads the final response's headers, and tells of interim ones as
// http.Transport does: who looks at them says how many there may be, and if nobody
// does then the limit of headers is for all of them together.
func (c *conn) readResponse(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	c.limited.N = c.pool.maxHeader
	for {
		resp, err := http.ReadResponse(c.in, req)
		switch {
		case err != nil && c.limited.N <= 0:
			return nil, headersTooLarge(c.pool.maxHeader)
		case err != nil:
			return nil, fmt.Errorf("reading the response: %w", err)
		case resp.StatusCode >= http.StatusOK, resp.StatusCode == http.StatusSwitchingProtocols, resp.StatusCode < 100:
			c.limited.N = math.MaxInt64
			return resp, nil
		case trace == nil || trace.Got1xxResponse == nil:
			continue
		}
		if err := trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
			return nil, err
		}
		c.limited.N = c.pool.maxHeader
	}
}

// quiet reports whether an idle connection is open and has nothing to read: what
// comes without a request is the upstream's end, or no answer to us.
func (c *conn) quiet() bool { return socket.Quiet(c.socket) } // Read would ask the deadline, which atRest has put into the past

// atRest reports whether a connection whose reply has ended has nothing left to
// read: neither in our buffer nor, decrypted or not, in that of TLS. What came
// behind the reply would be taken for the next one's.
func (c *conn) atRest() bool {
	if c.in.Buffered() > 0 || c.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	var one [1]byte
	n, err := c.Read(one[:]) // reads no socket: its deadline is over
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// reply is the body of a reply.
type reply struct {
	io.ReadCloser
	conn *conn
	ctx  context.Context //nolint:containedctx // of the request, for the reason of its end
	stop func() bool     // watching ctx; false if it has ended
	keep bool            // the connection may be used again
	over atomic.Bool
}

func (b *reply) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF: //nolint:errorlint // an error that wraps io.EOF is a fault
		b.finish(true)
	case err != nil:
		b.finish(false)
		err = because(b.ctx, err)
	}
	return n, err
}

// Close ends a reply early, and the connection with it. It may be called during a
// Read, which then fails.
func (b *reply) Close() error {
	b.finish(false)
	return nil
}

// finish gives the connection back if it may serve again, else closes it.
func (b *reply) finish(whole bool) {
	if !b.over.CompareAndSwap(false, true) {
		return
	}
	if running := b.stop(); running && whole && b.keep && b.conn.atRest() {
		b.conn.pool.put(b.conn)
		return
	}
	_ = b.conn.raw.Close() // nobody waits for anything from it
}
