package tools

import (
	"cmp"
	"slices"

	"sealcar/rewrite"
)

// edit puts text, raw JSON, in place of a span of a document. An empty span
// makes it an insertion.
type edit struct {
	span rewrite.Span
	text []byte
}

// apply appends src to dst with the edits made. At one place insertions come
// first, in the order in which they are given.
func apply(dst, src []byte, edits []edit) ([]byte, error) {
	slices.SortStableFunc(edits, func(a, b edit) int {
		return cmp.Or(a.span.Start-b.span.Start, a.span.End-b.span.End)
	})
	spans, size := make([]rewrite.Span, len(edits)), len(src)
	for i := range edits {
		spans[i] = edits[i].span
		size += len(edits[i].text)
	}
	i := -1
	return rewrite.Splice(slices.Grow(dst, size), src, spans, func(dst, _ []byte) ([]byte, error) {
		i++
		return append(dst, edits[i].text...), nil
	})
}

func at(offset int) rewrite.Span { return rewrite.Span{Start: offset, End: offset} }

// text is that of a JSON string; anything else has none.
func text(raw []byte) string {
	b, err := rewrite.Unquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}
