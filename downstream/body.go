package downstream

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// body is a plain request's body. A transport may go on reading it when the handler
// has returned, until it is closed.
type body struct {
	conn *conn

	reading sync.Mutex // held by who reads the connection, however long that takes

	mu     sync.Mutex // guards what follows; nobody waits for the client under it
	left   int64      // bytes not read yet
	coming int64      // of these: not read ahead either
	closed bool
	err    error // that ended it early
}

func newBody(c *conn, length int64) *body {
	b := &body{conn: c, left: max(length, 0)}
	b.coming = b.beyond(len(c.ahead))
	return b
}

// beyond is how much of what is left goes beyond so many bytes.
func (b *body) beyond(ahead int) int64 { return max(b.left-int64(ahead), 0) }

// Read implements io.Reader. The last bytes come with io.EOF.
func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.mu.Lock()
	closed, err := b.closed, b.err
	b.mu.Unlock()
	switch {
	case closed:
		return 0, http.ErrBodyReadAfterClose
	case err != nil:
		return 0, err
	}
	return b.read(p)
}

// read reads the connection, for who may.
func (b *body) read(p []byte) (n int, err error) {
	if left := b.remains(); left > 0 {
		n, err = b.conn.read(p[:min(int64(len(p)), left)])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left -= int64(n)
	b.coming = b.beyond(len(b.conn.ahead))
	switch {
	case b.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// Close ends reading by the handler. What is left of the body is for discard.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// remains gives the number of bytes not read yet.
func (b *body) remains() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left
}

// setDeadline bounds reading what is still to come of the body, also by who waits for
// it already. It has no effect once nothing is: the connection's deadline may be that
// of its next request by then, for a transport may come to ask this when the handler
// has returned.
func (b *body) setDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.coming == 0 {
		return nil
	}
	return b.conn.wire.SetReadDeadline(t)
}

// maxDiscard is how much of a body that the handler did not want is read to keep its
// connection, in bytes: as much as net/http does.
const maxDiscard = 256 << 10

// lost reports whether the connection cannot have another request, as far as is known.
// A client that has ended is not told.
func (b *body) lost() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left > maxDiscard || b.err != nil && !errors.Is(b.err, io.ErrUnexpectedEOF)
}

// discard reads what is left, for discardTime at most, and reports whether the next
// request can follow. Of a body that was too long the reply has said that none can.
func (b *body) discard() bool {
	left, err := b.end()
	if left == 0 {
		return true
	}
	if err != nil {
		return false
	}
	b.reading.Lock() // whoever has it gives it back by the deadline
	defer b.reading.Unlock()
	room := make([]byte, 4<<10)
	for {
		if _, err := b.read(room); err != nil {
			return b.remains() == 0
		}
	}
}

// end closes the body, and gives who reads it discardTime for what is left.
func (b *body) end() (left int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.left > 0 {
		err = errors.Join(b.err, b.conn.wire.SetReadDeadline(time.Now().Add(discardTime)))
	}
	return b.left, err
}

// linger reads on for a while: closing a connection with unread bytes resets it, and
// the client would not come to see the reply.
func (b *body) linger() {
	half, ok := b.conn.wire.(interface{ CloseWrite() error })
	if left, _ := b.end(); left == 0 || !ok || half.CloseWrite() != nil {
		return
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.conn.wire.SetReadDeadline(time.Now().Add(discardTime)) == nil {
		_, _ = io.CopyN(io.Discard, b.conn.wire, maxDiscard) // whatever ends it, the connection is over
	}
}
