package ark

import (
	"bytes"
	"regexp"
)

// keepAlive is what comments say that keep a connection open and are no single
// word: sse-starlette's with the time, and OpenRouter's.
var keepAlive = regexp.MustCompile(`^(ping - [-+0-9T:. ]{1,40}|OPENROUTER PROCESSING)$`)

// beside judges a line of a stream that is no data. The protocol seals none of
// them, and SDKs hand some to the application. As in the documents, one word says
// nothing: names of events, identifiers and times to wait are that. A field that
// SSE does not have is ignored by readers; what it says is in clear all the same.
func (o *opener) beside(field, value []byte) error {
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
