package ark

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sealcar/rewrite"
)

// contentString is one content string of a reply.
type contentString struct {
	span     rewrite.Span
	place    string // in the table
	filtered bool   // its choice ended with finish_reason content_filter: it is not sealed
}

// completion is what one JSON document of a reply holds: a whole completion, or
// one chunk of a stream. One completion serves the chunks of a stream one after
// the other, with the same memory.
type completion struct {
	contents []contentString
	choices  []choiceState
	clear    []string // places in the table where something stands in clear, each once
	indices  choiceSet
	isError  bool // it holds the API's error

	fn    func(rewrite.Value) error
	doc   []byte
	spans []rewrite.Span
	work  stringWork
	first int // content of the present choice
}

// choiceState is what a document says of one choice.
type choiceState struct {
	index    int
	says     bool // it brings content, or what stands in for it
	finished bool // it has a finish_reason
	filtered bool
}

// maxChoices bounds the index of a choice. OpenAI grants 128 of them.
const maxChoices = 1024

var (
	errReplyShape = errors.New("a value of the completion has an unexpected type")
	errSameIndex  = errors.New("two choices have the same index")
)

// read finds the content strings of a reply's document, and what stands beside
// them.
func (c *completion) read(doc []byte) error {
	c.contents, c.choices, c.clear, c.isError = c.contents[:0], c.choices[:0], c.clear[:0], false
	c.doc, c.indices = doc, choiceSet{}
	if c.fn == nil {
		c.fn = c.value // once: a method value is memory of its own
	}
	return rewrite.Scan(doc, replyShape, c.fn)
}

func (c *completion) value(v rewrite.Value) error {
	kinds := "{}n" // of message and delta
	switch classOf(v.Name) {
	case object:
		kinds = "{}"
	case replyError:
		return c.failure(v)
	case message:
	case choiceList:
		kinds = "[]n"
	case choice:
		if kinds = "{}"; v.Kind == '}' {
			return c.endChoice(v)
		}
		c.first = len(c.contents)
		c.choices = append(c.choices, choiceState{})
	case finishReason:
		kinds = `"n`
		state := c.present()
		state.finished = !empty(c.doc, v)
		state.filtered = string(c.doc[v.Start:v.End]) == `"content_filter"`
		if v.Kind == '"' {
			c.beside(v) // it may be text
		}
	case choiceIndex:
		return c.index(v)
	case secretContent:
		kinds = `"n`
		if v.Kind == '"' {
			c.contents = append(c.contents, contentString{span: rewrite.Span{Start: v.Start, End: v.End}, place: pathIn(v.Name)})
		}
	default:
		c.beside(v)
		return nil
	}
	if strings.IndexByte(kinds, v.Kind) < 0 {
		return fmt.Errorf("%s: %w", v.Path(), errReplyShape)
	}
	return nil
}

// failure takes in the API's error. SDKs overlook one that is empty, and some
// one that is no object, so only what no SDK overlooks is an error.
func (c *completion) failure(v rewrite.Value) error {
	if v.Kind == '{' || v.Kind == '[' || v.Kind == 'n' { // the first two are judged at their end
		return nil
	}
	if !saysWhy(c.doc[v.Start:v.End]) {
		return fmt.Errorf("%s: %w", v.Path(), errReplyShape)
	}
	c.isError = true
	return nil
}

// endChoice closes a choice, whose finish_reason may come after its content. Of
// two with one index the one would vouch for the other's end; without any it is 0,
// as it is to SDKs.
func (c *completion) endChoice(v rewrite.Value) error {
	state := c.present()
	if c.indices.has(state.index) {
		return fmt.Errorf("%s: %w", v.Path(), errSameIndex)
	}
	c.indices.add(state.index)
	for i := c.first; i < len(c.contents); i++ {
		c.contents[i].filtered = state.filtered
		state.says = state.says || !c.contents[i].empty()
	}
	return nil
}

// present is the choice that the scan is in.
func (c *completion) present() *choiceState { return &c.choices[len(c.choices)-1] }

func (c *completion) index(v rewrite.Value) error {
	if v.Kind == 'n' {
		return nil
	}
	n, err := strconv.Atoi(string(c.doc[v.Start:v.End]))
	if err != nil || n < 0 || n >= maxChoices {
		return fmt.Errorf("%s: %w", v.Path(), errReplyShape)
	}
	c.present().index = n
	return nil
}

// beside notes what stands in clear. Of a reply it does not matter whether the
// table knows it.
func (c *completion) beside(v rewrite.Value) {
	if exposureOf(c.doc, v) == nothing {
		return
	}
	if place := pathIn(v.Name); !slices.Contains(c.clear, place) {
		c.clear = append(c.clear, place)
	}
	if strings.HasPrefix(pathIn(v.Name), "choices[]") {
		c.present().says = true
	}
}

func (s contentString) empty() bool { return s.span.End-s.span.Start == len(`""`) }

// withoutEmpty leaves out the strings that say nothing. The enclave seals them,
// for the vendor's Python SDK opens each string it gets, but an endpoint that
// does not is no fault.
func (c *completion) withoutEmpty() *completion {
	c.contents = slices.DeleteFunc(c.contents, contentString.empty)
	return c
}

// convert appends what becomes of one content string of a reply.
type convert func(dst, text []byte, s contentString) ([]byte, error)

// rewrite appends the document to dst with each content string converted.
func (c *completion) rewrite(dst []byte, fn convert) ([]byte, error) {
	c.spans = c.spans[:0]
	for _, found := range c.contents {
		c.spans = append(c.spans, found.span)
	}
	i := 0
	return rewrite.Splice(dst, c.doc, c.spans, func(dst, value []byte) ([]byte, error) {
		found := c.contents[i]
		i++
		return c.work.convert(dst, value, func(dst, text []byte) ([]byte, error) { return fn(dst, text, found) })
	})
}

// stringWork is the memory in which strings are converted, one after the other.
type stringWork struct{ unquoted, converted []byte }

// text is the text of value, a JSON string that was scanned, until the next one.
func (w *stringWork) text(value []byte) (text []byte, err error) {
	if text, ok := rewrite.Verbatim(value); ok {
		return text, nil
	}
	w.unquoted, err = rewrite.AppendText(w.unquoted[:0], value)
	return w.unquoted, err
}

// convert appends the JSON string value, which was scanned, with its text
// converted.
func (w *stringWork) convert(dst, value []byte, fn func(dst, text []byte) ([]byte, error)) ([]byte, error) {
	text, err := w.text(value)
	if err != nil {
		return nil, err
	}
	if w.converted, err = fn(w.converted[:0], text); err != nil {
		return nil, err
	}
	return rewrite.Quote(dst, w.converted)
}
