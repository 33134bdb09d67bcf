package ark

import (
	"bytes"
	"regexp"
	"unicode"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// keepAlive is what comments say that keep a connection open and are no single
// word: sse-starlette's with the time, and OpenRouter's.
var keepAlive = regexp.MustCompile(`^(ping - [-+0-9T:. ]{1,40}|OPENROUTER PROCESSING)$`)

// beside judges a line of a stream that is no data. The protocol seals none of
// them, and SDKs hand some to the application. As in the documents, one word says
// nothing: names of events, identifiers and times to wait are that. A field that
// SSE does not have is ignored by readers; what it says is in clear all the same.
func (o *opener) beside(field, value []byte) error {
	if looksLikeData(field) || rewrite.HasBreak(field) || rewrite.HasBreak(value) {
		return apierror.BadReply("reply_unreadable", "the upstream's stream has a line beside its data that readers could take for data, of which nothing is sealed", nil)
	}
	place := "other line"
	switch string(field) {
	case "event", "id", "retry":
		place = string(field) + " line"
	case "":
		place = "comment line"
		if keepAlive.Match(bytes.TrimSpace(value)) {
			return nil
		}
	default:
		if !isWord(field) {
			return o.judge(place)
		}
	}
	if isWord(bytes.TrimSpace(value)) {
		return nil
	}
	return o.judge(place)
}

// looksLikeData tells of a field that is data to readers who trim lines, or look
// at how they begin.
func looksLikeData(field []byte) bool {
	field = bytes.TrimLeftFunc(field, func(r rune) bool { return !unicode.IsLetter(r) })
	return len(field) >= len("data") && bytes.EqualFold(field[:len("data")], []byte("data"))
}
