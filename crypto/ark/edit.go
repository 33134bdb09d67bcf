package ark

import (
	"fmt"
	"slices"

	"sealcar/rewrite"
)

// sealChat takes out what is to be taken out of a chat and seals its secret
// strings under a fresh session. The tags are those of the ciphertexts.
func sealChat(cert *Certificate, body []byte, chat *chatRequest) (s *Session, sealed []byte, tags tagSet, err error) {
	if s, err = NewSession(cert.PublicKey); err != nil {
		return nil, nil, nil, fmt.Errorf("starting a session for model %q: %w", chat.model, err)
	}
	tags = make(tagSet, 0, len(chat.secret))
	room := len(body) + len(body)/3 + 32*(len(chat.secret)+1) // base64 and tags
	spans, isCut := chat.edits()
	sealed, err = rewrite.Splice(make([]byte, 0, room), body, spans, func(dst, value []byte) ([]byte, error) {
		if isCut() {
			return dst, nil
		}
		text, err := rewrite.Unquote(nil, value)
		if err != nil {
			return nil, err
		}
		dst = s.Seal(append(dst, '"'), text) // base64 needs no escapes
		tags = tags.add(dst)
		return append(dst, '"'), nil
	})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("sealing a request for model %q: %w", chat.model, err)
	}
	slices.SortFunc(tags, tag.compare)
	return s, sealed, tags, nil
}

// edits are the spans to seal and those to take out, in document order, and a
// function that says of one after the other whether it is to be taken out.
func (c *chatRequest) edits() (spans []rewrite.Span, isCut func() bool) {
	if len(c.cuts) == 0 {
		return c.secret, func() bool { return false }
	}
	byStart := func(a, b rewrite.Span) int { return a.Start - b.Start }
	spans = slices.Concat(c.secret, c.cuts)
	slices.SortFunc(spans, byStart)
	i := -1
	return spans, func() bool {
		i++
		_, found := slices.BinarySearchFunc(c.cuts, spans[i], byStart)
		return found
	}
}
