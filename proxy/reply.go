package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"time"

	"sealcar/apierror"
)

// reply is the ResponseWriter of a visit: it counts, and it gives up on a
// reader that takes nothing for too long.
type reply struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration // for one write
	body     *inbound      // of the request; nil without one
	framed   bool          // one stream of many on its connection

	status int // 0 until one is written
	bytes  int64
	due    time.Time // of the write; the zero value without patience
	err    error     // the first failed write
}

func newReply(w http.ResponseWriter, request *http.Request, patience time.Duration) *reply {
	r := &reply{ResponseWriter: w, control: http.NewResponseController(w), patience: patience, framed: request.ProtoMajor > 1}
	_ = r.control.SetWriteDeadline(time.Time{}) // the previous request on the connection left one; fails only if the connection is gone
	return r
}

// Unwrap lets http.ResponseController find the rest.
func (r *reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader remembers the final status. A reply that begins before its request
// has ended is the last on its connection: in full duplex, net/http takes what
// follows a body that is not well formed for another request.
func (r *reply) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		r.status = status
	}
	if status >= http.StatusOK && !r.body.whole() {
		r.beLast()
	}
	r.ResponseWriter.WriteHeader(status)
}

// beLast makes the reply the last on its connection. In HTTP/2 that would end
// other requests' connection, and no frame of a stream is ever taken for another
// request.
func (r *reply) beLast() {
	if !r.framed {
		r.Header().Set("Connection", "close")
	}
}

func (r *reply) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.arm()
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	r.note(err)
	return n, err
}

// FlushError sends what is buffered.
func (r *reply) FlushError() error {
	r.arm()
	err := r.control.Flush()
	r.note(err)
	return err
}

// arm bounds the next write, which may be the server's own after the handler.
func (r *reply) arm() {
	if r.patience > 0 {
		r.due = time.Now().Add(r.patience)
		_ = r.control.SetWriteDeadline(r.due) // if it fails so will the write
	}
}

// note keeps the first error. One stream of HTTP/2 whose deadline has passed is
// closed, and says no more than that.
func (r *reply) note(err error) {
	if err != nil && r.framed && !r.due.IsZero() && !time.Now().Before(r.due) {
		err = fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	if r.err == nil {
		r.err = err
	}
}

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

var errStreamIdle = errors.New("the upstream sent nothing for timeouts.stream_idle")

// outbound is an upstream's reply body: a read that takes too long, or a stream
// that has no end, ends the request. It remembers what it failed with.
type outbound struct {
	io.ReadCloser
	visit    *visit
	patience time.Duration
	timer    *time.Timer // nil without patience
	left     int64       // bytes that may still come
}

func newOutbound(body io.ReadCloser, v *visit) *outbound {
	patience := v.table.config.Timeouts.StreamIdle
	o := &outbound{ReadCloser: body, visit: v, patience: patience, left: math.MaxInt64}
	if v.streaming && v.route != nil {
		o.left = int64(v.table.config.Limits.StreamBytes)
	}
	if patience > 0 {
		o.timer = time.AfterFunc(patience, func() { v.stop(errStreamIdle) })
		o.timer.Stop()
	}
	return o
}

func (o *outbound) Read(p []byte) (int, error) {
	if o.timer != nil {
		o.timer.Reset(o.patience)
		defer o.timer.Stop()
	}
	n, err := o.ReadCloser.Read(p)
	if o.left -= int64(n); o.left < 0 {
		n, err = 0, &apierror.Error{Status: http.StatusBadGateway, Code: "stream_too_large", Message: "the upstream's stream is over limits.stream_bytes"}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		o.visit.broken = err
	}
	return n, err
}

// cause is why ctx ended, nil if it has not.
func cause(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
