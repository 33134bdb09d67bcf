// Package rewrite replaces chosen strings in JSON documents and event streams
// and leaves every other byte as it was.
//
// Start at Scan and Splice: Scan (json.go) reads one JSON document strictly and
// reports the values a Shape asks for, with their offsets; Splice (splice.go)
// copies the document with some of those spans replaced, Cut (cut.go) finds the
// span that takes a member out, and Unquote and Quote go between a raw JSON string
// and its text; Verbatim and AppendText (text.go) are faster, for strings that were
// scanned. A Scanner does many scans with one memory, as Scan does for small
// documents. Events (sse.go, and event.go for the grammar of one event) does the
// same for the data of each event of a text/event-stream, one event in, one event
// out; OneLine (oneline.go) is for clients that look at lines instead. Where the
// output has another structure than the input, Tree (tree.go) reads
// a document whole, and EventConfig.Replace puts other events in an event's place.
//
// What is refused: duplicate names at any depth, names that differ from a known
// one only in case, invalid UTF-8, unpaired surrogates, a byte order mark before
// a document, anything after the top value, nesting beyond 10,000, events over
// the limit, a stream that ends inside an event. What was checked is what is
// sent: there is one reading of the bytes.
package rewrite
