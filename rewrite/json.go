package rewrite

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Shape says which values of a document the caller wants to see. A nil *Shape
// asks for nothing below it; what nobody asked for is read just as strictly.
// A Shape may hold itself and then applies at any depth. Shapes are only read,
// so one may serve many scans at once.
type Shape struct {
	Name   string            // reported with the value; "" = not reported
	Fields map[string]*Shape // members of an object, by exact name; a nil entry is a known name whose value is not wanted
	Items  *Shape            // every element of an array
	Other  *Shape            // every member not in Fields
}

// Value is one value of a document, as Scan reports it. A string, number or
// literal is reported once. A container is reported twice: at its opening, with
// Start and End at the opening bracket, and at its closing, from the opening
// bracket to past the closing one. Whether the kind is the one the caller hoped
// for is the caller's to check.
type Value struct {
	Name  string // of the Shape that asked for it
	Kind  byte   // '"' string, '0' number, 't' 'f' 'n' literals, '{' '[' openings, '}' ']' closings
	Start int    // offset of the first byte
	End   int    // offset past the last byte

	scanner *Scanner
}

// Path is where the value stands, as in messages[3].content[0].text; "" is the
// whole document. It is valid during the callback only, and allocates. Names
// that are not plain words are quoted, and a very long path is cut.
func (v Value) Path() string {
	if v.scanner == nil {
		return ""
	}
	return pathOf(&v.scanner.dec, v.scanner.dec.StackPointer())
}

// Scan reads one JSON document strictly (RFC 8259 and I-JSON, RFC 7493, section
// 2) and calls fn, in document order, for each value that shape asks for.
//
// A fault is a *SyntaxError: anything outside the grammar, a second value, a
// byte order mark, invalid UTF-8, an unpaired surrogate escape, a duplicate name
// at any depth (escapes resolved), nesting beyond 10,000, and, in an object
// whose Shape has Fields, a name that equals one of them only under Unicode
// simple case folding: a lenient reader would take it for that one. fn may have
// been called before a fault is found, so its results count only once Scan has
// returned nil. An error of fn ends the scan and is returned as it is.
func Scan(src []byte, shape *Shape, fn func(Value) error) error {
	s := scanners.Get().(*Scanner)
	err := s.Scan(src, shape, fn)
	if len(src) <= maxPooled {
		scanners.Put(s)
	}
	return err
}

// maxPooled is the largest document whose Scanner is kept for another one, in
// bytes: a decoder's memory grows with the names it has read, and beside a large
// document a new one costs nothing.
const maxPooled = 64 << 10

//nolint:gochecknoglobals // memory for scans: whether it is used again cannot be seen
var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// Scanner reads documents one after the other with the same memory. Its zero
// value is ready. It is not for concurrent use, nor for a Scan inside a
// callback of its own. Between scans it holds no document.
type Scanner struct {
	buf  bytes.Buffer
	dec  jsontext.Decoder
	src  []byte
	fn   func(Value) error
	name []byte // scratch for a member name with escapes
}

// Scan is the function Scan with the Scanner's memory.
func (s *Scanner) Scan(src []byte, shape *Shape, fn func(Value) error) error {
	s.reset(src, fn)
	defer s.reset(nil, nil)
	if err := s.value(shape); err != nil {
		return err
	}
	return s.end()
}

// end refuses whatever follows the top value: nobody has looked at it.
func (s *Scanner) end() error {
	rest := bytes.TrimLeft(s.src[s.dec.InputOffset():], " \t\r\n")
	if len(rest) > 0 {
		return &SyntaxError{Offset: int64(len(s.src) - len(rest)), Reason: "more data after the document"}
	}
	return nil
}

// reset gives the decoder a *bytes.Buffer because it reads that one in place:
// nothing is copied, so offsets of the decoder are offsets of src.
func (s *Scanner) reset(src []byte, fn func(Value) error) {
	s.buf = *bytes.NewBuffer(src)
	s.dec.Reset(&s.buf)
	s.src, s.fn = src, fn
}

func (s *Scanner) value(shape *Shape) error {
	if shape != nil {
		switch s.dec.PeekKind() {
		case jsontext.KindBeginObject:
			return s.object(shape)
		case jsontext.KindBeginArray:
			return s.array(shape)
		}
	}
	raw, err := s.dec.ReadValue()
	if err != nil {
		return s.fault(err)
	}
	if shape == nil {
		return nil
	}
	return s.report(shape, raw.Kind(), int(s.dec.InputOffset())-len(raw))
}

func (s *Scanner) object(shape *Shape) error {
	start, err := s.open(shape)
	if err != nil {
		return err
	}
	for s.dec.PeekKind() != jsontext.KindEndObject {
		member, err := s.member(shape)
		if err != nil {
			return err
		}
		if err := s.value(member); err != nil {
			return err
		}
	}
	return s.close(shape, start)
}

func (s *Scanner) array(shape *Shape) error {
	start, err := s.open(shape)
	if err != nil {
		return err
	}
	for s.dec.PeekKind() != jsontext.KindEndArray {
		if err := s.value(shape.Items); err != nil {
			return err
		}
	}
	return s.close(shape, start)
}

func (s *Scanner) open(shape *Shape) (start int, err error) {
	token, err := s.dec.ReadToken()
	if err != nil {
		return 0, s.fault(err)
	}
	start = int(s.dec.InputOffset()) - 1
	return start, s.report(shape, token.Kind(), start)
}

func (s *Scanner) close(shape *Shape, start int) error {
	token, err := s.dec.ReadToken()
	if err != nil {
		return s.fault(err)
	}
	return s.report(shape, token.Kind(), start)
}

// report tells fn about the value that was just read.
func (s *Scanner) report(shape *Shape, kind jsontext.Kind, start int) error {
	if shape.Name == "" {
		return nil
	}
	end := int(s.dec.InputOffset())
	if kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray {
		end = start
	}
	return s.fn(Value{Name: shape.Name, Kind: byte(kind), Start: start, End: end, scanner: s})
}

// member reads the next name of an object and finds the shape of its value.
func (s *Scanner) member(shape *Shape) (*Shape, error) {
	raw, err := s.dec.ReadValue()
	if err != nil {
		return nil, s.fault(err)
	}
	name := []byte(raw[1 : len(raw)-1])
	if bytes.IndexByte(name, '\\') >= 0 {
		if s.name, err = jsontext.AppendUnquote(s.name[:0], raw); err != nil {
			return nil, s.fault(err)
		}
		name = s.name
	}
	if member, known := shape.Fields[string(name)]; known {
		return member, nil
	}
	for field := range shape.Fields {
		if bytes.EqualFold(name, []byte(field)) {
			return nil, s.misspelt(field, len(raw))
		}
	}
	return shape.Other, nil
}
