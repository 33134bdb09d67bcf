package tools

import (
	"bytes"

	"sealcar/rewrite"
)

// splitter parts what a model writes into text and calls, however it is cut into
// pieces. What may still become a call is held back, and said as text as soon as
// it can not. Each byte is looked at once.
//
// White space that stands alone before a call or between calls belongs to the
// form: it is dropped with them. So it is held back too.
type splitter struct {
	names names // of the functions that may be called

	state    splitState
	held     []byte // from < on, undecided
	depth    int    // of brackets, in the object
	inString bool
	escaped  bool
	object   int // held[:object] ends with the object's last bracket
	mark     int // bytes of the mark behind it

	space  []byte // undecided white space before held
	spoke  bool   // there was text since the beginning or the last call
	called bool   // there was a call

	said  []byte // text and calls of this piece
	calls []calling
}

// calling is a call as the model wrote it.
type calling struct {
	name      string
	arguments []byte // the text of a JSON object
}

// splitState is what the last byte of held belongs to.
type splitState int

const (
	inText    splitState = iota // text, or the beginning of the mark that opens a call
	afterOpen                   // white space before the object
	inObject
	afterObject // white space before the mark that ends the call, or the beginning of it
)

// feed takes the next piece and returns what is decided by it. Both are valid
// until the next piece.
func (s *splitter) feed(piece []byte) (said []byte, calls []calling) {
	s.said, s.calls = s.said[:0], s.calls[:0]
	for len(piece) > 0 {
		if s.state == inText && len(s.held) == 0 && s.spoke { // the rule: text, and no mark in sight
			n := bytes.IndexByte(piece, '<')
			if n < 0 {
				n = len(piece)
			}
			s.said = append(s.said, piece[:n]...)
			piece = piece[n:]
			if len(piece) == 0 {
				break
			}
		}
		s.next(piece[0])
		piece = piece[1:]
	}
	return s.said, s.calls
}

// take takes the next piece like feed, or one that a content filter ended: that
// may be in clear, by replies.unsafe_content_filter_text, and a call is nobody's
// but the model's. So all of it is text, and so is what is held.
func (s *splitter) take(piece []byte, filtered bool) (said []byte, calls []calling) {
	if !filtered {
		return s.feed(piece)
	}
	s.said, s.calls = s.said[:0], s.calls[:0]
	s.release()
	for _, c := range piece {
		s.say(c)
	}
	return s.end()
}

// end ends the answer, or what may be held of it: what is not a whole call is
// text. It adds to what the last feed has returned.
func (s *splitter) end() (said []byte, calls []calling) {
	s.release()
	if !s.called {
		s.said = append(s.said, s.space...)
	}
	s.space = s.space[:0]
	return s.said, s.calls
}

// pending is how many bytes are held back.
func (s *splitter) pending() int { return len(s.held) + len(s.space) }

func (s *splitter) next(c byte) {
	if !s.fits(c) {
		s.release()
		if c != '<' { // else it may be the next mark
			s.say(c)
			return
		}
	}
	s.held = append(s.held, c)
	switch {
	case s.state == inText && len(s.held) == len(openCall):
		s.state = afterOpen
	case s.state == inObject && s.depth == 0:
		s.state, s.object, s.mark = afterObject, len(s.held), 0
	case s.state == afterObject && s.mark == len(closeCall):
		s.finish()
	}
}

// fits tells whether a call can go on with c after what is held.
func (s *splitter) fits(c byte) bool {
	switch s.state {
	case inText:
		return c == openCall[len(s.held)]
	case afterOpen:
		if c == '{' {
			s.state, s.depth = inObject, 1
			return true
		}
		return isSpace(c)
	case inObject:
		return s.fitsObject(c)
	default:
		if c == closeCall[s.mark] {
			s.mark++
			return true
		}
		return s.mark == 0 && isSpace(c)
	}
}

// fitsObject follows the strings and brackets of the object. Whether it is
// strict JSON is seen at its end; a raw < or a raw line break in a string cannot
// be any, which keeps a broken call from taking the rest of the answer with it.
func (s *splitter) fitsObject(c byte) bool {
	switch {
	case s.escaped:
		s.escaped = false
	case s.inString && c == '\\':
		s.escaped = true
	case c == '"':
		s.inString = !s.inString
	case s.inString:
		return c >= ' '
	case c == '{', c == '[':
		s.depth++
	case c == '}', c == ']':
		s.depth--
	}
	return s.inString || c != '<'
}

// finish ends a call. If it is not that of a function that may be called, it is
// text.
func (s *splitter) finish() {
	call, ok := readCall(s.held[len(openCall):s.object])
	if !ok || !s.names[call.name] {
		s.release()
		return
	}
	s.calls = append(s.calls, call)
	s.space, s.spoke, s.called = s.space[:0], false, true
	s.forget()
}

// release makes text of what is held.
func (s *splitter) release() {
	for _, c := range s.held {
		s.say(c)
	}
	s.forget()
}

func (s *splitter) forget() {
	s.held, s.state, s.inString, s.escaped = s.held[:0], inText, false, false
}

// say decides that c is text.
func (s *splitter) say(c byte) {
	if !s.spoke {
		if isSpace(c) {
			s.space = append(s.space, c)
			return
		}
		if !s.called {
			s.said = append(s.said, s.space...)
		}
		s.space, s.spoke = s.space[:0], true
	}
	s.said = append(s.said, c)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

//nolint:gochecknoglobals // an immutable table
var callShape = &rewrite.Shape{
	Fields: map[string]*rewrite.Shape{"id": nil, "name": {Name: "name"}, "arguments": {Name: "arguments"}},
	Other:  &rewrite.Shape{Name: "other"},
}

// readCall reads the object of a call. An id is passed over: a model may repeat
// one from the calls before. Arguments that are missing are none, and a string
// is taken for their text, as models write both.
func readCall(object []byte) (call calling, ok bool) {
	ok = true
	call.arguments = []byte("{}")
	err := rewrite.Scan(object, callShape, func(v rewrite.Value) error {
		raw := object[v.Start:v.End]
		switch {
		case v.Name == "name" && v.Kind == '"':
			call.name = text(raw)
		case v.Name == "arguments" && v.Kind == '}':
			call.arguments = bytes.Clone(raw)
		case v.Name == "arguments" && v.Kind == '"':
			call.arguments = []byte(text(raw))
			ok = ok && isObject(call.arguments)
		case v.Name == "arguments" && (v.Kind == '{' || v.Kind == 'n'):
		default:
			ok = false
		}
		return nil
	})
	return call, ok && err == nil
}

// isObject tells whether text is one object in strict JSON.
func isObject(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) && rewrite.Scan(text, nil, nil) == nil
}
