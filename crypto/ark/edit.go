package ark

import (
	"encoding/base64"
	"fmt"
	"slices"

	"sealcar/rewrite"
)

// seal takes out what is to be taken out of a chat and seals its secret strings
// under s, which nothing else has been sealed under. The tags are those of the
// ciphertexts.
func (c *chatRequest) seal(s *Session, body []byte) (sealed []byte, tags tagSet, err error) {
	tags = make(tagSet, 0, len(c.secret))
	spans, isCut := c.edits()
	sealed, err = rewrite.Splice(make([]byte, 0, c.room(body)), body, spans, func(dst, value []byte) ([]byte, error) {
		if isCut() {
			return dst, nil
		}
		dst, t, err := s.sealString(append(dst, '"'), value) // base64 needs no escapes
		tags = append(tags, t)
		return append(dst, '"'), err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sealing a request for model %q: %w", c.model, err)
	}
	slices.SortFunc(tags, tag.compare)
	return sealed, tags, nil
}

// room is what sealing takes beyond which nothing is allocated: the body, what
// base64 and the tags add, and, once, what it takes to seal the longest string.
func (c *chatRequest) room(body []byte) int {
	size, most := len(body), 0
	for _, span := range c.secret {
		n := span.End - span.Start
		text := base64.StdEncoding.EncodedLen(n + tagSize)
		size += text - n + len(`""`)
		most = max(most, SealRoom(n)-text)
	}
	return size + most
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
