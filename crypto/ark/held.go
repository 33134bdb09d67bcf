package ark

import (
	"errors"
	"io"
	"time"
)

// defaultReplyIdle is the patience with a reply that nothing was passed on of.
const defaultReplyIdle = 10 * time.Minute

// heldBody is a body whose beginning has been read already.
type heldBody struct {
	io.ReadCloser
	first []byte
	err   error // of reading first; comes after it
}

// Read gives what was held, and then the rest.
func (b *heldBody) Read(p []byte) (int, error) {
	switch {
	case len(b.first) > 0:
		n := copy(p, b.first)
		if b.first = b.first[n:]; len(b.first) == 0 {
			b.first = nil // the stream may be open for long
		}
		return n, nil
	case b.err != nil:
		return 0, b.err
	default:
		return b.ReadCloser.Read(p)
	}
}

var errReplyIdle = errors.New("the upstream's reply stalled: nothing came for the time that ReplyIdle allows")

// guardedBody is a reply's body that is given up when a read takes too long,
// until it is released to a reader with a patience of its own.
type guardedBody struct {
	io.ReadCloser
	patience time.Duration // for one read; 0 means no end
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.patience == 0 {
		return b.ReadCloser.Read(p)
	}
	timer := time.AfterFunc(b.patience, func() { _ = b.Close() }) // which ends the read
	n, err := b.ReadCloser.Read(p)
	if !timer.Stop() {
		return n, errReplyIdle
	}
	return n, err
}

func (b *guardedBody) release() { b.patience = 0 }
