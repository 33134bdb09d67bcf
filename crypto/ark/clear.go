package ark

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sealcar/exchange"
)

// Headers by which an application learns what went in clear beside the sealed
// content: paths in its request, and places in a reply that is no stream.
const (
	HeaderPlaintext      = "X-Sealcar-Plaintext"
	HeaderReplyPlaintext = "X-Sealcar-Reply-Plaintext"
)

// maxPlaintextHeader bounds the list in such a header, in bytes.
const maxPlaintextHeader = 1024

// ClearReply says what is done with what a reply holds in clear beside its
// sealed content: reasoning, calls of tools, log probabilities. Its zero value
// reports it.
type ClearReply struct {
	Refuse                  bool // end such a reply with an error
	UnsafeContentFilterText bool // pass on the text that a content filter left in clear
}

// tell writes into the record what is known of the request before it is sent.
func (c *chatRequest) tell(record *exchange.Record) {
	record.Model = c.model
	record.Residue, record.ResidueCount, record.UnsafeResidue = c.clear, c.cleared, c.unsafe
}

// report notes that something came in clear. There are no more places than the
// tables have, and kinds of lines.
func report(record *exchange.Record, place string) {
	if !slices.Contains(record.ReplyResidue, place) {
		record.ReplyResidue = append(record.ReplyResidue, place)
	}
}

// reportClear tells the application what went in clear.
func reportClear(h http.Header, record *exchange.Record) {
	setList(h, HeaderPlaintext, record.Residue, record.ResidueCount)
	setList(h, HeaderReplyPlaintext, record.ReplyResidue, len(record.ReplyResidue))
}

func setList(h http.Header, name string, paths []string, count int) {
	if count == 0 {
		return
	}
	var b strings.Builder
	for i, path := range paths {
		if b.Len()+len(path) > maxPlaintextHeader {
			paths = paths[:i]
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(path)
	}
	if more := count - len(paths); more > 0 {
		b.WriteString(", +" + strconv.Itoa(more) + " more")
	}
	h.Set(name, b.String())
}
