package rewrite

import "bytes"

// otherBreaks end no line of an event stream (WHATWG HTML, section 9.2.5), but do
// for readers that cut text by Unicode's rules: Python's str.splitlines, and so
// httpx's iter_lines and requests' iter_lines(decode_unicode=True).
const otherBreaks = "\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

// HasBreak tells whether such a reader sees a line of an event stream as several,
// of which one may begin with "data:".
func HasBreak(line []byte) bool { return bytes.ContainsAny(line, otherBreaks) }

//nolint:gochecknoglobals // an immutable table
var breaksInJSON = []struct{ text, instead []byte }{
	{[]byte("\n"), []byte(" ")}, // strict JSON has these two between its tokens only
	{[]byte("\r"), []byte(" ")},
	{[]byte("\u0085"), []byte(`\u0085`)}, // and these in its strings only
	{[]byte("\u2028"), []byte(`\u2028`)},
	{[]byte("\u2029"), []byte(`\u2029`)},
}

// OneLine is a JSON document that was scanned, written so that every reader sees
// one line: whoever looks at lines where events are meant finds no other document
// in a part of it. Unless it is changed, it is doc itself.
func OneLine(doc []byte) (line []byte, changed bool) {
	for _, b := range breaksInJSON {
		if bytes.Contains(doc, b.text) { // hardly ever
			doc, changed = bytes.ReplaceAll(doc, b.text, b.instead), true
		}
	}
	return doc, changed
}
