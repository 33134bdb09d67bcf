package rewrite

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Span is a range of bytes in a document: Start is the first one's offset, End
// is past the last one.
type Span struct{ Start, End int }

// Splice appends src to dst with each span replaced by what fn appends to its
// dst; value is the span's raw JSON text, and raw JSON text is what fn has to
// append. Spans have to be ascending and disjoint, as Scan reports scalars. On
// an error, fn's or its own, it returns dst as it was given. dst must not overlap
// src.
func Splice(dst, src []byte, spans []Span, fn func(dst, value []byte) ([]byte, error)) ([]byte, error) {
	out, done := dst, 0
	for _, span := range spans {
		if span.Start < done || span.End < span.Start || span.End > len(src) {
			return dst, fmt.Errorf("splicing bytes %d to %d: out of order, or beyond the document's %d bytes", span.Start, span.End, len(src))
		}
		var err error
		out, err = fn(append(out, src[done:span.Start]...), src[span.Start:span.End])
		if err != nil {
			return dst, err
		}
		done = span.End
	}
	return append(out, src[done:]...), nil
}

// Unquote appends the text of a raw JSON string, quotes included, to dst: UTF-8,
// escapes resolved. Whatever is not exactly one string of strict JSON is a
// *SyntaxError, with dst as it was given. dst must not overlap raw.
func Unquote(dst, raw []byte) ([]byte, error) {
	out, err := jsontext.AppendUnquote(dst, raw)
	if err != nil {
		return dst, &SyntaxError{Reason: reason(err), Err: err}
	}
	return out, nil
}

// Quote appends text to dst as a JSON string, with only the escapes that JSON
// requires (RFC 8785, section 3.2.2.2). Invalid UTF-8 is an error, with dst as it was
// given. dst must not overlap text.
func Quote(dst, text []byte) ([]byte, error) {
	out, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		return dst, fmt.Errorf("writing a JSON string: %w", err)
	}
	return out, nil
}
