package ark

import (
	"slices"

	"sealcar/exchange"
)

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
