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

	mu     sync.Mutex
	left   int64 // bytes to come
	closed bool
	err    error // that ended it early
}

// Read implements io.Reader. The last bytes come with io.EOF.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.err != nil:
		return 0, b.err
	}
	return b.read(p)
}

func (b *body) read(p []byte) (n int, err error) {
	if b.left > 0 {
		n, err = b.conn.read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
	}
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

// done reports whether nothing more of the body is read from the wire: it has all been
// read, if only ahead, or nobody wants the rest. No deadline concerns it then; the
// connection's may be those of its next request, and what is ahead too, for a transport
// may come to ask this when the handler has returned.
func (b *body) done() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed || b.left == 0 || b.left <= int64(len(b.conn.ahead))
}

// maxDiscard is how much of a body that the handler did not want is read to keep its
// connection, in bytes: as much as net/http does.
const maxDiscard = 256 << 10

// lost reports whether the connection cannot have another request, as far as is known.
// A client that has ended need not be told.
func (b *body) lost() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left > maxDiscard || b.err != nil && !errors.Is(b.err, io.ErrUnexpectedEOF)
}

// discard reads what is left, for discardTime at most, and reports whether the next
// request can follow. Of a body that was too long the reply has said that none can.
func (b *body) discard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.left == 0 {
		return true
	}
	if b.err != nil || b.conn.wire.SetReadDeadline(time.Now().Add(discardTime)) != nil {
		return false
	}
	room := make([]byte, 4<<10)
	for {
		if _, err := b.read(room); err != nil {
			return b.left == 0
		}
	}
}
