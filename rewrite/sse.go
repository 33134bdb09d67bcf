package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrEventTooLarge says that an event is longer than EventConfig.Limit.
var ErrEventTooLarge = errors.New("event over the limit")

const (
	defaultEventLimit = 16 << 20
	firstBuffer       = 512     // events are short, and their streams open for long
	smallBuffer       = 4 << 10 // too little to ask for
	maxEmptyReads     = 100     // in a row; bufio.Reader's measure of patience
)

// EventConfig says what Events does with a stream.
type EventConfig struct {
	// Limit is how many bytes one event may have, all lines and their ends
	// together; 0 = 16 MiB. A longer one is ErrEventTooLarge.
	Limit int

	// Room is asked before an event makes the buffer grow to n bytes; an error of
	// its is a fault of the stream. nil = there is always room.
	Room func(n int) error

	// Data is called once for each event that has data, with its data lines
	// joined by \n, and appends their replacement to dst. With changed false
	// every byte of the event stays as it was. data and dst are valid during
	// the call only. An error is a fault of the stream. nil changes nothing.
	Data func(dst, data []byte) (out []byte, changed bool, err error)

	// Replace takes the place of Data for streams whose events become other
	// ones: what it appends to dst stands for the whole event, as it is, be that
	// several events or none. Events without data stay.
	Replace func(dst, data []byte) ([]byte, error)

	// Beside is called for each line that is neither data nor blank, before
	// anything of its event is passed on: with field "event", "id" or whatever
	// stands before the colon, "" for a comment. Without a colon all of the line
	// is the field. An error is a fault of the stream. nil looks at none.
	Beside func(field, value []byte) error

	// End is called once, when nothing more will come: err is io.EOF for a
	// clean end, else the fault (of the body, of the grammar, or of Data). It
	// appends the last bytes for the reader and returns the error that the
	// reader ends with; nil stands for err itself. nil = identity.
	End func(dst []byte, err error) ([]byte, error)
}

// Events reads body as a text/event-stream (WHATWG HTML, section 9.2) and
// returns it with the data of its events replaced. One event in, one event out
// (or what Replace makes of it):
// an event can be read as soon as its blank line is in, and no Read returns
// bytes of two events, so whoever flushes after each Read flushes each event. (A
// byte order mark, and an LF that comes after the CR that has ended an event, are
// Reads of their own.)
//
// Bytes of an unchanged event are passed as they are. In a changed one the
// replacement stands where the first data line stood, with that line's end of
// line, as one "data: " line for each of its own lines; the other data lines
// vanish and everything else stays.
//
// A body that ends inside an event is a fault that wraps io.ErrUnexpectedEOF,
// and not one byte of that event is delivered; only whole comment lines may
// stand at the end without a blank line. After the end or a fault body is not
// read any more and Read gives the same error again. Close closes body.
func Events(body io.ReadCloser, c EventConfig) io.ReadCloser {
	if c.Limit <= 0 {
		c.Limit = defaultEventLimit
	}
	return &eventReader{body: body, config: c, work: eventWork{beside: c.Beside}}
}

// eventReader works without a goroutine: each Read pulls from body what it
// needs for the next piece and not a byte more.
type eventReader struct {
	body   io.ReadCloser
	config EventConfig

	buf     []byte    // read from body; a piece lives here until it is replaced or delivered
	taken   int       // buf[:taken] is used up
	scan    boundary  // of the event that starts at buf[taken]
	begun   bool      // the place where a byte order mark may stand is behind us
	bodyErr error     // body's last word
	out     []byte    // to be delivered, in buf or in work
	work    eventWork // memory for changed events
	err     error     // ours, once out is empty
}

// Read gives at most one piece: an event or a part of it.
func (r *eventReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.advance()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// Close closes the body.
func (r *eventReader) Close() error { return r.body.Close() }

// advance makes one step: a piece if one is whole, else more bytes, else the end.
func (r *eventReader) advance() {
	piece, err := r.next()
	switch {
	case err != nil:
		r.end(nil, err)
	case piece != nil:
		r.out = piece
	case r.bodyErr != nil:
		r.finish()
	default:
		r.fill()
	}
}

// next takes the next whole piece out of buf; nil means that it is not whole yet.
func (r *eventReader) next() ([]byte, error) {
	if !r.begun {
		if mark := r.begin(); mark != nil || !r.begun {
			return mark, nil
		}
	}
	rest := r.buf[r.taken:]
	size, whole := r.scan.find(rest)
	switch {
	case size > r.config.Limit, size == r.config.Limit && !whole:
		return nil, fmt.Errorf("%w of %d bytes", ErrEventTooLarge, r.config.Limit)
	case !whole:
		return nil, nil
	}
	// An LF that comes later passes as a blank line, an event with nothing in it.
	if rest[size-1] == '\r' && size < len(rest) && rest[size] == '\n' {
		size++
	}
	if r.config.Replace != nil {
		return r.work.replace(r.take(size), r.config.Replace)
	}
	return r.work.rewrite(r.take(size), r.config.Data)
}

// begin takes the byte order mark that may open a stream. It is no part of the
// first line, so it must not hide that line's field.
func (r *eventReader) begin() []byte {
	start := r.buf[r.taken:]
	if len(start) < len(byteOrderMark) && strings.HasPrefix(byteOrderMark, string(start)) {
		return nil
	}
	r.begun = true
	if bytes.HasPrefix(start, []byte(byteOrderMark)) {
		return r.take(len(byteOrderMark))
	}
	return nil
}

// take marks the next n bytes as used up and starts the search for an event
// behind them.
func (r *eventReader) take(n int) []byte {
	piece := r.buf[r.taken : r.taken+n]
	r.taken += n
	r.scan = boundary{}
	return piece
}

// fill reads from body once it has made room: by dropping what is used up, then
// by growing. next fails before an event without an end fills Limit bytes, so
// the buffer never grows beyond that.
func (r *eventReader) fill() {
	if r.taken > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.taken:])]
		r.taken = 0
	}
	if len(r.buf) == cap(r.buf) {
		if r.bodyErr = r.grow(); r.bodyErr != nil {
			return
		}
	}
	for range maxEmptyReads {
		n, err := r.body.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		r.bodyErr = err
		if n > 0 || err != nil {
			return
		}
	}
	r.bodyErr = io.ErrNoProgress
}

// grow doubles the buffer.
func (r *eventReader) grow() error {
	size := max(firstBuffer, min(2*cap(r.buf), r.config.Limit))
	if size > smallBuffer && r.config.Room != nil {
		if err := r.config.Room(size); err != nil {
			return err
		}
	}
	grown := make([]byte, len(r.buf), size)
	copy(grown, r.buf)
	r.buf = grown
	return nil
}

// finish handles the body's last word when no whole event is left.
func (r *eventReader) finish() {
	rest := r.buf[r.taken:]
	switch {
	case r.bodyErr != io.EOF: //nolint:errorlint // an error that wraps io.EOF is a fault, not a clean end
		r.end(nil, r.bodyErr)
	case onlyComments(rest):
		if _, err := r.work.cut(rest); err != nil {
			r.end(nil, err)
			return
		}
		r.end(rest, io.EOF)
	default:
		r.end(nil, fmt.Errorf("the event stream ended inside an event: %w", io.ErrUnexpectedEOF))
	}
}

// end lets End have the last word after last, the bytes that may still go out.
func (r *eventReader) end(last []byte, err error) {
	r.out, r.err = last, err
	if r.config.End == nil {
		return
	}
	out, final := r.config.End(last, err)
	r.out = out
	if final != nil {
		r.err = final
	}
}
