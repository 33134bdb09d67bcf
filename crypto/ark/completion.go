package ark

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sealcar/rewrite"
)

// content is one content string of a reply.
type content struct {
	span     rewrite.Span
	filtered bool // its choice ended with finish_reason content_filter: it is not sealed
}

// completion is what one JSON document of a reply holds: a whole completion, or
// one chunk of a stream.
type completion struct {
	contents []content
	isError  bool
}

var errReplyShape = errors.New("choices, message, delta or content have an unexpected type")

// readCompletion finds the content strings of a reply's document. A
// stream uses one scanner for all of its chunks.
func readCompletion(scanner *rewrite.Scanner, doc []byte) (*completion, error) {
	s := completionScan{doc: doc}
	if err := scanner.Scan(doc, replyShape, s.value); err != nil {
		return nil, err
	}
	return &s.found, nil
}

// completionScan is the state of one scan of a reply.
type completionScan struct {
	doc      []byte
	found    completion
	first    int  // content of the present choice
	filtered bool // the present choice
}

func (s *completionScan) value(v rewrite.Value) error {
	kinds := "{}n" // of message and delta
	switch v.Name {
	case "error":
		s.found.isError = s.found.isError || v.Kind != 'n'
		return nil
	case "finish_reason":
		s.filtered = string(s.doc[v.Start:v.End]) == `"content_filter"`
		return nil
	case "choices":
		kinds = "[]n"
	case "choice":
		kinds = "{}"
		s.choice(v.Kind)
	case "content":
		kinds = `"n`
		if v.Kind == '"' {
			s.found.contents = append(s.found.contents, content{span: rewrite.Span{Start: v.Start, End: v.End}})
		}
	}
	if strings.IndexByte(kinds, v.Kind) < 0 {
		return fmt.Errorf("%s: %w", v.Path(), errReplyShape)
	}
	return nil
}

// choice opens and closes a choice, whose finish_reason may come after its
// content.
func (s *completionScan) choice(kind byte) {
	if kind == '{' {
		s.first, s.filtered = len(s.found.contents), false
		return
	}
	for i := s.first; i < len(s.found.contents); i++ {
		s.found.contents[i].filtered = s.filtered
	}
}

// withoutEmpty leaves out the strings that say nothing. The enclave seals them,
// for the vendor's Python SDK opens each string it gets, but an endpoint that
// does not is no fault.
func (c *completion) withoutEmpty() *completion {
	c.contents = slices.DeleteFunc(c.contents, func(found content) bool {
		return found.span.End-found.span.Start == len(`""`)
	})
	return c
}

// convert appends what becomes of one content string of a reply.
type convert func(dst, text []byte, filtered bool) ([]byte, error)

// rewrite appends doc to dst with each content string converted.
func (c *completion) rewrite(dst, doc []byte, fn convert) ([]byte, error) {
	spans := make([]rewrite.Span, len(c.contents))
	for i, found := range c.contents {
		spans[i] = found.span
	}
	i := 0
	return rewrite.Splice(dst, doc, spans, func(dst, value []byte) ([]byte, error) {
		filtered := c.contents[i].filtered
		i++
		return convertString(dst, value, func(dst, text []byte) ([]byte, error) { return fn(dst, text, filtered) })
	})
}

// convertString appends the JSON string value with its text converted.
func convertString(dst, value []byte, fn func(dst, text []byte) ([]byte, error)) ([]byte, error) {
	text, err := rewrite.Unquote(nil, value)
	if err != nil {
		return nil, err
	}
	text, err = fn(nil, text)
	if err != nil {
		return nil, err
	}
	return rewrite.Quote(dst, text)
}
