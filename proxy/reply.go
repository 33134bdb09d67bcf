package proxy

import (
	"fmt"
	"net/http"
	"os"
	"time"
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
	r.disarm()
	return n, err
}

// FlushError sends what is buffered.
func (r *reply) FlushError() error {
	r.arm()
	err := r.control.Flush()
	r.note(err)
	r.disarm()
	return err
}

// arm bounds the next write, which may be the server's own after the handler.
func (r *reply) arm() {
	if r.patience > 0 {
		r.due = time.Now().Add(r.patience)
		_ = r.control.SetWriteDeadline(r.due) // if it fails so will the write
	}
}

// disarm ends the bound of a write that is over. In HTTP/1.1 it concerns writes
// alone; in HTTP/2 net/http has it end a stream that waits for its upstream too.
func (r *reply) disarm() {
	if r.framed && r.patience > 0 {
		_ = r.control.SetWriteDeadline(time.Time{}) // fails only if the connection is gone
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
