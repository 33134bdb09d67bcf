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
	beside func(field, value []byte) error // EventConfig.Beside

	joined []byte // data of several lines
	value  []byte // its replacement
	out    []byte // the changed event
}

// rewrite returns event with its data replaced by what fn makes of it, or event
// itself where there is no data or no change.
func (w *eventWork) rewrite(event []byte, fn func(dst, data []byte) ([]byte, bool, error)) ([]byte, error) {
	if fn == nil && w.beside == nil {
		return event, nil
	}
	cut, err := w.cut(event)
	if err != nil || !cut.hasData || fn == nil {
		return event, err
	}
	value, changed, err := fn(w.value[:0], cut.data)
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
	w.out = append(w.out[:0], cut.before...)
	for part := range bytes.SplitSeq(value, []byte("\n")) {
		w.out = append(append(append(w.out, "data: "...), part...), cut.end...)
	}
	w.out = appendOtherLines(w.out, cut.after)
	return w.out, nil
}

// replace returns what fn makes of an event that has data; not nil, for it may
// well be nothing.
func (w *eventWork) replace(event []byte, fn func(dst, data []byte) ([]byte, error)) ([]byte, error) {
	cut, err := w.cut(event)
	if err != nil || !cut.hasData {
		return event, err
	}
	if w.out == nil {
		w.out = make([]byte, 0, firstBuffer)
	}
	out, err := fn(w.out[:0], cut.data)
	if err != nil {
		return nil, err
	}
	w.out = out
	return out, nil
}

// cutEvent is an event taken apart around its first data line.
type cutEvent struct {
	hasData       bool
	before, after []byte // the lines around the first data line
	end           []byte // of that line
	data          []byte // of all data lines, with \n between them
}

// cut takes an event apart, and has the lines that are no data looked at. Nothing
// is copied where there is one data line only.
func (w *eventWork) cut(event []byte) (e cutEvent, err error) {
	several := false
	for rest := event; len(rest) > 0; {
		at := len(event) - len(rest)
		var l line
		l, rest = cutLine(rest)
		value, isData := l.data()
		switch {
		case !isData:
			if err := w.see(l); err != nil {
				return e, err
			}
		case !e.hasData:
			e = cutEvent{hasData: true, before: event[:at], after: rest, end: l.end, data: value}
		case !several:
			several = true
			w.joined = append(append(append(w.joined[:0], e.data...), '\n'), value...)
		default:
			w.joined = append(append(w.joined, '\n'), value...)
		}
	}
	if several {
		e.data = w.joined
	}
	return e, nil
}

// see shows Beside a line that is no data.
func (w *eventWork) see(l line) error {
	if w.beside == nil || len(l.text) == 0 {
		return nil
	}
	field, value, _ := bytes.Cut(l.text, []byte(":"))
	return w.beside(field, bytes.TrimPrefix(value, []byte(" ")))
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
