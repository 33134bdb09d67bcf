package rewrite

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// SyntaxError is why a document was refused. Its text holds names of members,
// never their values.
type SyntaxError struct {
	Path   string // of the value at fault or the one around it, as Value.Path gives it
	Offset int64  // in bytes; the fault is there or soon after
	Reason string
	Err    error // what the parser said, if it was the parser; io.ErrUnexpectedEOF is in its chain if the document ended early
}

// Error gives the reason and the place.
func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
	}
	return fmt.Sprintf("invalid JSON at byte %d, %s: %s", e.Offset, e.Path, e.Reason)
}

// Unwrap gives the parser's error.
func (e *SyntaxError) Unwrap() error { return e.Err }

// fault turns an error of the decoder into a *SyntaxError.
func (s *Scanner) fault(err error) error {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok { // nothing but white space: the decoder says io.EOF, which to a caller would look like success
		return &SyntaxError{Offset: int64(len(s.src)), Reason: "empty document", Err: io.ErrUnexpectedEOF}
	}
	return &SyntaxError{
		Path:   pathOf(&s.dec, syntax.JSONPointer),
		Offset: syntax.ByteOffset,
		Reason: reason(syntax),
		Err:    syntax,
	}
}

// misspelt is the fault of the name just read, of length bytes as it was written.
func (s *Scanner) misspelt(field string, length int) error {
	return &SyntaxError{
		Path:   pathOf(&s.dec, s.dec.StackPointer()),
		Offset: s.dec.InputOffset() - int64(length),
		Reason: fmt.Sprintf("this name differs from %q only in case", field),
	}
}

// reason is the parser's reason without the piece of a string it may quote:
// strings are what this program keeps secret.
func reason(err error) string {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		err = syntax.Err // its own text would repeat the place
	}
	text := err.Error()
	for _, kind := range []string{"invalid escape sequence", "invalid surrogate pair"} {
		if strings.HasPrefix(text, kind) {
			return kind + " in string"
		}
	}
	return strings.TrimPrefix(text, "jsontext: ")
}

// Paths go to people: beyond these lengths, in bytes, they help nobody.
const (
	maxPath     = 256
	maxPathName = 64
)

// pathOf writes a JSON Pointer (RFC 6901) the way an API reference would.
// Containers that the decoder is inside of tell names from indices; deeper in,
// in the pointer of a fault, what looks like an index is taken for one.
func pathOf(dec *jsontext.Decoder, pointer jsontext.Pointer) string {
	var path []byte
	level, depth := 0, dec.StackDepth()
	for token := range pointer.Tokens() {
		if len(path) > maxPath {
			return string(append(path, "…"...))
		}
		level++
		isIndex := digits(token)
		if level <= depth {
			kind, _ := dec.StackIndex(level)
			isIndex = kind == jsontext.KindBeginArray
		}
		path = appendStep(path, token, isIndex)
	}
	return string(path)
}

func appendStep(path []byte, token string, isIndex bool) []byte {
	if isIndex || !plain(token) {
		path = append(path, '[')
		if isIndex {
			path = append(path, token...)
		} else {
			path = strconv.AppendQuoteToASCII(path, shorten(token))
		}
		return append(path, ']')
	}
	if len(path) > 0 {
		path = append(path, '.')
	}
	return append(path, token...)
}

func shorten(name string) string {
	if len(name) > maxPathName {
		return name[:maxPathName] + "…"
	}
	return name
}

// plain reports whether a name can stand in a path as it is: a short word of
// ASCII letters, digits, _ and -, not starting with a digit.
func plain(name string) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= maxPathName
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Element takes apart the path of an element of a list, or of something in it: as
// in messages[2].content, of which the rest is .content.
func Element(path, list string) (i int, rest string, ok bool) {
	index, ok := strings.CutPrefix(path, list+"[")
	if !ok {
		return 0, "", false
	}
	index, rest, ok = strings.Cut(index, "]")
	if !ok || !digits(index) {
		return 0, "", false
	}
	i, err := strconv.Atoi(index)
	return i, rest, err == nil
}
