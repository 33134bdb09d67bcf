package downstream

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// maxUnframed is how much of a reply without a length or a type waits for its end, in
// bytes: a reply that has ended by then gets both. It is what net/http has.
const maxUnframed = 2 << 10

// reply is the http.ResponseWriter of a plain request. Its methods are those that
// http.ResponseController knows, except Hijack.
type reply struct {
	conn   *conn
	body   *body // of the request
	header http.Header

	status   int   // 0 until it is known
	length   int64 // as the header says; -1 if it does not
	written  int64
	trailers []string // that the header announces
	typed    bool     // its content has a type, or an encoding
	dated    bool
	open     bool // its length is not told, however little it is
	framed   bool // what is sent already says where the reply ends
	chunked  bool
	last     bool   // of its connection
	unframed []byte // written before framed

	out *bufio.Writer // nil while nothing waits to be sent
	err error         // that sending failed with
}

// Header implements http.ResponseWriter.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter. It panics on a status outside 100 to 999.
func (r *reply) WriteHeader(status int) {
	switch {
	case r.status != 0:
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("downstream: the status %d is none of HTTP's", status))
	case status < http.StatusOK && status != http.StatusSwitchingProtocols:
		r.start(status)
		_, _ = r.buffer().WriteString("\r\n") // its error comes with Flush
		r.flush()
		return
	}
	r.status, r.length = status, -1
	r.announce()
	r.start(status)
}

// announce takes from the header what it says about the rest of the reply.
func (r *reply) announce() {
	if n, err := strconv.ParseInt(r.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 && bodyAllowed(r.status) {
		r.length = n
	}
	has := func(name string) bool { return r.header[name] != nil }
	coded := r.header.Get("Transfer-Encoding") != "" // which is our business, but tells that the length is not known
	r.open = has("Content-Length") || has("Trailer") || coded
	for name := range r.header {
		r.open = r.open || strings.HasPrefix(name, http.TrailerPrefix)
	}
	r.announceTrailers()
	_, r.dated = r.header["Date"] // it may be there to say that there is to be none, as the type
	_, r.typed = r.header["Content-Type"]
	r.typed = r.typed || coded || r.header.Get("Content-Encoding") != ""
	r.last = r.status == http.StatusSwitchingProtocols || httpguts.HeaderValuesContainsToken(r.header["Connection"], "close") ||
		r.conn.server.draining.Load() || r.body.lost()
}

func (r *reply) announceTrailers() {
	for _, line := range r.header["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); httpguts.ValidTrailerHeader(name) {
				r.trailers = append(r.trailers, name)
			}
		}
	}
}

// start writes a head without its end.
func (r *reply) start(status int) {
	w := r.buffer()
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	_, _ = w.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + text + "\r\n") // errors stay with the writer, for flush
	except := r.conn.server.framing
	if r.last {
		except = r.conn.server.framingOfLast
	}
	_ = r.header.WriteSubset(w, except)
}

// sniffed is how much of a body http.DetectContentType looks at, in bytes.
const sniffed = 512

// frame ends the head with where the reply ends, and writes what has waited for that.
// The body goes on with next.
func (r *reply) frame(next []byte) {
	r.framed = true
	w := r.buffer()
	line := func(name, value string) { _, _ = w.WriteString(name + ": " + value + "\r\n") }
	if !r.typed && len(r.unframed)+len(next) > 0 {
		line("Content-Type", http.DetectContentType(slices.Concat(r.unframed, next[:min(len(next), sniffed)])))
	}
	if !r.dated {
		_, _ = w.Write(time.Now().UTC().AppendFormat(append(w.AvailableBuffer(), "Date: "...), http.TimeFormat+"\r\n"))
	}
	switch {
	case !bodyAllowed(r.status):
	case r.length >= 0:
		line("Content-Length", strconv.FormatInt(r.length, 10))
	default:
		r.chunked = true
		line("Transfer-Encoding", "chunked")
	}
	if r.last {
		line("Connection", "close")
	}
	_, _ = w.WriteString("\r\n")
	r.send(r.unframed)
	r.unframed = nil
}

// Write implements http.ResponseWriter.
func (r *reply) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !bodyAllowed(r.status) {
		return 0, http.ErrBodyNotAllowed
	}
	r.written += int64(len(p))
	if r.length >= 0 && r.written > r.length {
		return 0, http.ErrContentLength
	}
	if !r.framed {
		if (r.length < 0 || !r.typed) && r.written <= maxUnframed {
			r.unframed = append(r.unframed, p...)
			return len(p), nil
		}
		r.frame(p)
	}
	r.send(p)
	if r.err != nil {
		return 0, r.err
	}
	return len(p), nil
}

// send writes a piece of the body.
func (r *reply) send(p []byte) {
	if len(p) == 0 {
		return
	}
	w := r.buffer()
	var err error
	if r.chunked {
		_, _ = w.Write(append(strconv.AppendInt(w.AvailableBuffer(), int64(len(p)), 16), "\r\n"...))
		_, _ = w.Write(p)
		_, err = w.WriteString("\r\n")
	} else {
		_, err = w.Write(p)
	}
	r.note(err)
}

// FlushError sends what waits to be sent.
func (r *reply) FlushError() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if !r.framed {
		r.frame(nil)
	}
	r.flush()
	return r.err
}

// SetReadDeadline bounds reading what is still to come of the request's body.
func (r *reply) SetReadDeadline(t time.Time) error { return r.body.setDeadline(t) }

// SetWriteDeadline bounds sending.
func (r *reply) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && !r.conn.hurried {
		return nil
	}
	r.conn.hurried = !t.IsZero()
	return r.conn.wire.SetWriteDeadline(t)
}

// EnableFullDuplex lets a handler read its request while it replies, as it can anyway.
func (r *reply) EnableFullDuplex() error { return nil }

// end sends what is left once the handler has returned, and reports whether the
// connection can have another request.
func (r *reply) end() bool {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if !r.framed {
		if !r.open && r.length < 0 {
			r.length = int64(len(r.unframed))
		}
		r.frame(nil)
	}
	if r.chunked {
		w := r.buffer()
		_, _ = w.WriteString("0\r\n")
		_ = r.trailer().Write(w)
		_, _ = w.WriteString("\r\n")
	}
	r.flush()
	return !r.last && r.err == nil && (r.length < 0 || r.written == r.length)
}

// trailer is what the handler has set of it.
func (r *reply) trailer() http.Header {
	t := make(http.Header)
	for name, values := range r.header {
		if bare, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			t[bare] = values
		}
	}
	for _, name := range r.trailers {
		if values, ok := r.header[name]; ok {
			t[name] = values
		}
	}
	return t
}

// buffer is where bytes wait to be sent. There is one only while some wait: streams
// wait for most of their time.
func (r *reply) buffer() *bufio.Writer {
	if r.out == nil {
		r.out = r.conn.server.writers.Get().(*bufio.Writer)
		r.out.Reset(r.conn.wire)
	}
	return r.out
}

func (r *reply) flush() {
	if r.out == nil {
		return
	}
	r.note(r.out.Flush())
	r.release()
}

// release gives the buffer back, with what is in it.
func (r *reply) release() {
	if r.out != nil {
		r.out.Reset(nil)
		r.conn.server.writers.Put(r.out)
		r.out = nil
	}
}

// note keeps the first error. A client that takes nothing is gone.
func (r *reply) note(err error) {
	if err != nil && r.err == nil {
		r.err = err
		r.conn.gone()
	}
}

// bodyAllowed tells whether a reply of that status has a body (RFC 9112 section 6.3).
func bodyAllowed(status int) bool {
	return status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified
}
