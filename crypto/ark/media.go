package ark

import (
	"fmt"
	"mime"
	"net/http"
	"strings"

	"sealcar/apierror"
)

const (
	eventStream = "text/event-stream"
	wholeJSON   = "application/json"
)

// mediaOf is the media type of a reply whose bytes mean to every reader what they
// mean here. Under another character set (requests and httpx decode utf-7 and
// utf-16 if they are told to) the same bytes are other text, which nobody has
// looked at; of two Content-Types each reader takes its own.
func mediaOf(h http.Header) (string, error) {
	for _, e := range h["Content-Encoding"] {
		if e != "" && !strings.EqualFold(e, "identity") {
			return "", apierror.BadReply("reply_encoded", fmt.Sprintf("the upstream compressed its reply (%.20q) although it was asked not to", e), nil)
		}
	}
	types := h["Content-Type"]
	if len(types) == 0 || types[0] == "" {
		return "", apierror.BadReply("reply_untyped", "the upstream's reply has no Content-Type: something on the way may have taken headers away", nil)
	}
	media, params, err := mime.ParseMediaType(types[0])
	if charset := params["charset"]; err != nil || len(types) > 1 || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", apierror.BadReply("reply_unreadable", fmt.Sprintf("the upstream's reply is not plainly UTF-8 by its Content-Type (%.80q), so it could be read as something else", types), err)
	}
	return media, nil
}

// setMedia says how a reply is to be read in the one way that leaves nothing to
// guess: without a charset, requests takes a stream for ISO-8859-1.
func setMedia(h http.Header, media string) {
	text := wholeJSON + "; charset=utf-8"
	if media == eventStream {
		text = eventStream + "; charset=utf-8"
	}
	h["Content-Type"] = append(h["Content-Type"][:0], text)
	delete(h, "Content-Encoding")
}
