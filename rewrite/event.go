package rewrite

import (
	"bytes"
	"errors"
)

const byteOrderMark = "\xef\xbb\xbf"

var errReplacementCR = errors.New("the replacement of an event's data has a carriage return, which no data line can carry")

// boundary finds the end of the event at the start of a growing slice. Bytes it
// has seen it does not look at again, so a stream costs linear time however it
// is cut into reads.
type boundary struct {
	seen      int // b[:seen] has been looked at
	lineStart int
}

// find returns the event's size up to and with the first byte of its blank
// line's end, and true; or what b has of it so far, and false.
func (e *boundary) find(b []byte) (size int, whole bool) {
	for i := e.seen; i < len(b); i++ {
		switch b[i] {
		case '\n':
			if i > 0 && b[i-1] == '\r' { // the second half of a CRLF, its line has ended
				e.lineStart = i + 1
				continue
			}
		case '\r':
		default:
			continue
		}
		if i == e.lineStart {
			return i + 1, true
		}
		e.lineStart = i + 1
	}
	e.seen = len(b)
	return len(b), false
}

// line is one line of an event stream.
type line struct {
	text []byte // without its end
	end  []byte // LF, CR or CRLF; empty if the stream ends first
}

// cutLine takes the first line off b.
func cutLine(b []byte) (first line, rest []byte) {
	i := bytes.IndexAny(b, "\r\n")
	if i < 0 {
		return line{text: b}, nil
	}
	n := i + 1
	if b[i] == '\r' && n < len(b) && b[n] == '\n' {
		n++
	}
	return line{text: b[:i], end: b[i:n]}, b[n:]
}

// data returns the value of a data line: the part after the colon, without one
// leading space, or nothing where there is no colon.
func (l line) data() (value []byte, ok bool) {
	name, value, _ := bytes.Cut(l.text, []byte(":"))
	if string(name) != "data" {
		return nil, false
	}
	return bytes.TrimPrefix(value, []byte(" ")), true
}

// onlyComments reports whether b holds whole comment lines and nothing else.
func onlyComments(b []byte) bool {
	for len(b) > 0 {
		var l line
		l, b = cutLine(b)
		if len(l.end) == 0 || !bytes.HasPrefix(l.text, []byte(":")) {
			return false
		}
	}
	return true
}

// eventWork is the memory in which changed events are put together; what it
// returns is valid until the next event.
type eventWork struct {
	joined []byte // data of several lines
	value  []byte // its replacement
	out    []byte // the changed event
}

// rewrite returns event with its data replaced by what fn makes of it, or event
// itself where there is no data or no change.
func (w *eventWork) rewrite(event []byte, fn func(dst, data []byte) ([]byte, bool, error)) ([]byte, error) {
	if fn == nil {
		return event, nil
	}
	before, first, after, found := cutData(event)
	if !found {
		return event, nil
	}
	value, changed, err := fn(w.value[:0], w.join(first, after))
	if err != nil {
		return nil, err
	}
	if !changed {
		return event, nil
	}
	w.value = value
	if bytes.IndexByte(value, '\r') >= 0 {
		return nil, errReplacementCR
	}
	w.out = append(w.out[:0], before...)
	for part := range bytes.SplitSeq(value, []byte("\n")) {
		w.out = append(append(append(w.out, "data: "...), part...), first.end...)
	}
	w.out = appendOtherLines(w.out, after)
	return w.out, nil
}

// replace returns what fn makes of an event that has data; not nil, for it may
// well be nothing.
func (w *eventWork) replace(event []byte, fn func(dst, data []byte) ([]byte, error)) ([]byte, error) {
	_, first, after, found := cutData(event)
	if !found {
		return event, nil
	}
	if w.out == nil {
		w.out = make([]byte, 0, firstBuffer)
	}
	out, err := fn(w.out[:0], w.join(first, after))
	if err != nil {
		return nil, err
	}
	w.out = out
	return out, nil
}

// cutData cuts an event around its first data line.
func cutData(event []byte) (before []byte, first line, after []byte, found bool) {
	for rest := event; len(rest) > 0; {
		at := len(event) - len(rest)
		first, rest = cutLine(rest)
		if _, ok := first.data(); ok {
			return event[:at], first, rest, true
		}
	}
	return nil, line{}, nil, false
}

// join returns an event's data: that of its first data line and of those in
// after, with \n between them. Nothing is copied where there is only one.
func (w *eventWork) join(first line, after []byte) []byte {
	data, _ := first.data()
	several := false
	for len(after) > 0 {
		var l line
		l, after = cutLine(after)
		value, ok := l.data()
		if !ok {
			continue
		}
		if !several {
			several = true
			w.joined = append(w.joined[:0], data...)
		}
		w.joined = append(append(w.joined, '\n'), value...)
	}
	if several {
		return w.joined
	}
	return data
}

// appendOtherLines appends the lines of after that are not data. Where the line
// before the blank one goes, a CR and an LF may meet that were ends of two
// lines; as a CRLF they would be one and the event would not end, so the CR
// gets an LF of its own.
func appendOtherLines(out, after []byte) []byte {
	for len(after) > 0 {
		var l line
		l, after = cutLine(after)
		if _, ok := l.data(); ok {
			continue
		}
		if len(l.text) == 0 && l.end[0] == '\n' && out[len(out)-1] == '\r' {
			out = append(out, '\n')
		}
		out = append(append(out, l.text...), l.end...)
	}
	return out
}
