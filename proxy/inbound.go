package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// inbound is an application's request body. Its reads have a deadline, and it
// remembers what the error handler needs. A transport may read it on another
// goroutine.
type inbound struct {
	io.ReadCloser
	control *http.ResponseController
	perRead time.Duration // 0: the deadline was set for the whole body

	mu    sync.Mutex
	bytes int64
	ended bool  // cleanly
	err   error // why it broke off; nil at a clean end
}

// newInbound gives the whole body timeouts.read_body where a protocol buffers
// it, and timeouts.idle for each read where it streams through.
func newInbound(v *visit, control *http.ResponseController) *inbound {
	b := &inbound{ReadCloser: v.request.Body, control: control}
	t := v.table.config.Timeouts
	if v.route == nil {
		b.perRead = t.Idle
	} else if t.ReadBody > 0 {
		_ = control.SetReadDeadline(time.Now().Add(t.ReadBody)) // if it fails so will the read
	}
	return b
}

func (b *inbound) Read(p []byte) (int, error) {
	if b.perRead > 0 {
		_ = b.control.SetReadDeadline(time.Now().Add(b.perRead))
	}
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
		// From here on the server reads only to see the client go.
		_ = b.control.SetReadDeadline(time.Time{})
	case err != nil && b.err == nil:
		b.err = err
	}
	return n, err
}

// state gives the bytes read and what broke the body off.
func (b *inbound) state() (int64, error) {
	if b == nil {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes, b.err
}

// whole reports whether it has been read to its end.
func (b *inbound) whole() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}
