package rewrite

import "bytes"

const space = " \t\r\n"

// Cut appends to cuts the span that takes a member out of its object in src,
// with the one comma that goes with it, so that what is left is JSON again.
// value is the member's value, as Scan reported it. The members that are taken
// out of one object have to be given in their order: the object's last one takes
// the comma before it, which those cut already may stand behind.
func Cut(cuts []Span, src []byte, value Span) []Span {
	span := Span{Start: nameStart(src, value.Start), End: value.End}
	rest := bytes.TrimLeft(src[span.End:], space)
	if len(rest) > 0 && rest[0] == ',' {
		span.End = len(src) - len(rest) + 1
		return append(cuts, span)
	}
	for { // the last member: the comma before it goes
		before := len(bytes.TrimRight(src[:span.Start], space))
		last := len(cuts) - 1
		switch {
		case last >= 0 && cuts[last].End == before:
			span.Start, cuts = cuts[last].Start, cuts[:last]
		case before > 0 && src[before-1] == ',':
			span.Start = before - 1
			return append(cuts, span)
		default: // the only member
			return append(cuts, span)
		}
	}
}

// nameStart is where the name of the member begins whose value begins at start.
// Inside a JSON string every quote stands behind an odd number of backslashes.
func nameStart(src []byte, start int) int {
	colon := bytes.LastIndexByte(src[:start], ':')
	i := bytes.LastIndexByte(src[:colon], '"')
	for {
		i = bytes.LastIndexByte(src[:i], '"')
		backslashes := i - len(bytes.TrimRight(src[:i], `\`))
		if backslashes%2 == 0 {
			return i
		}
	}
}
