package tools

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"sealcar/apierror"
	"sealcar/payload"
	"sealcar/rewrite"
)

// maxChoices bounds the index of a choice. OpenAI grants 128 of them.
const maxChoices = 1024

//nolint:gochecknoglobals // immutable tables
var (
	saidShape = &rewrite.Shape{Name: "said", Fields: map[string]*rewrite.Shape{
		"content":       {Name: "content"},
		"tool_calls":    {Name: "calls"},
		"function_call": {Name: "call"}, // its predecessor
	}}
	replyShape = &rewrite.Shape{Fields: map[string]*rewrite.Shape{
		"choices": {Items: &rewrite.Shape{Name: "choice", Fields: map[string]*rewrite.Shape{
			"index":         {Name: "index"},
			"message":       saidShape,
			"delta":         saidShape,
			"finish_reason": {Name: "finish"},
		}}},
	}}
)

// reply turns the calls in one reply into tool_calls.
type reply struct {
	names  names
	random io.Reader
	stream bool
	limit  int                 // bytes that may be held back, of all choices
	keep   func(n int64) error // asked before so many are

	answers []*answer // by the index of their choice
	pending int       // bytes held back

	scanner rewrite.Scanner
	visit   func(rewrite.Value) error // the method value, made once
	doc     []byte
	choices []choiceOf // of doc
	edits   []edit
	text    []byte // memory for one content
}

// answer is one choice of a reply, over all of its chunks.
type answer struct {
	splitter
	count int // of calls
}

// choiceOf is what one document says of one choice.
type choiceOf struct {
	object  value
	index   int
	said    value // message or delta
	content value
	calls   value // tool_calls
	call    value // function_call
	finish  value
}

// edit rewrites one document of the reply, as payload.Edit has it.
func (r *reply) edit(dst, doc []byte, stream bool) (out []byte, changed bool, err error) {
	r.stream = stream
	if !stream || string(doc) != payload.EndOfStream {
		return r.rewrite(dst, doc)
	}
	if r.pending > 0 {
		return nil, false, apierror.BrokenReply("reply_unfinished", "the upstream's reply ended without a finish_reason while a call of a function was under way", nil)
	}
	return dst, false, nil
}

func (r *reply) rewrite(dst, doc []byte) (out []byte, changed bool, err error) {
	r.doc, r.choices, r.edits = doc, r.choices[:0], r.edits[:0]
	if r.visit == nil {
		r.visit = r.value
	}
	if err := r.scanner.Scan(doc, replyShape, r.visit); err != nil {
		return nil, false, apierror.BadReply("reply_unreadable", "the upstream's reply is not strict JSON of a chat completion", err)
	}
	for i := range r.choices {
		if err := r.choice(&r.choices[i]); err != nil {
			return nil, false, err
		}
	}
	if len(r.edits) == 0 {
		return dst, false, nil
	}
	out, err = apply(dst, doc, r.edits)
	return out, true, err
}

var errShape = errors.New("a value of the completion has an unexpected type")

func (r *reply) value(v rewrite.Value) error {
	if v.Name == "choice" && v.Kind == '{' {
		if len(r.choices) == maxChoices {
			return errShape
		}
		r.choices = append(r.choices, choiceOf{})
	}
	if len(r.choices) == 0 {
		return errShape
	}
	c, kinds := &r.choices[len(r.choices)-1], "{}n"
	switch v.Name {
	case "choice":
		c.object, kinds = valueOf(v), "{}"
	case "index":
		return r.index(c, v)
	case "said":
		c.said = valueOf(v)
	case "content":
		c.content, kinds = valueOf(v), `"n`
	case "calls":
		c.calls, kinds = valueOf(v), "[]n"
	case "call":
		c.call, kinds = valueOf(v), "{}n"
	case "finish":
		c.finish, kinds = valueOf(v), `"n`
	}
	if strings.IndexByte(kinds, v.Kind) < 0 {
		return errShape
	}
	return nil
}

func (r *reply) index(c *choiceOf, v rewrite.Value) error {
	n, err := strconv.Atoi(string(r.raw(valueOf(v))))
	if c.index = n; (err != nil || n < 0 || n >= maxChoices) && v.Kind != 'n' {
		return errShape
	}
	return nil
}

func (r *reply) raw(v value) []byte { return r.doc[v.span.Start:v.span.End] }

// choice rewrites what a document says of one choice. The model was offered no
// tool but inside the seal, so a call outside of it is somebody else's.
func (r *reply) choice(c *choiceOf) (err error) {
	if c.calls.kind == ']' && !isHollow(r.raw(c.calls)) || c.call.kind == '}' {
		return apierror.BadReply("reply_in_clear", "the upstream's reply calls a function in clear, though every function was offered inside the seal, so the reply is not believed", nil)
	}
	if len(r.names) == 0 {
		return nil // so nothing can be a call
	}
	if r.text = r.text[:0]; c.content.kind == '"' {
		if r.text, err = rewrite.Unquote(r.text, r.raw(c.content)); err != nil {
			return err
		}
	}
	return r.split(c, r.answer(c.index))
}

// split parts the text of a choice into what it says and its calls.
func (r *reply) split(c *choiceOf, a *answer) error {
	before := a.pending()
	said, calls := a.take(r.text, string(r.raw(c.finish)) == `"content_filter"`)
	finished := !r.stream || c.finish.kind == '"' && len(r.raw(c.finish)) > len(`""`)
	if finished || r.pending+a.pending()-before > r.limit {
		said, calls = a.end()
	}
	r.pending += a.pending() - before
	if err := r.keep(int64(r.pending)); err != nil {
		return err
	}
	if len(calls) > 0 || !bytes.Equal(said, r.text) {
		if err := r.put(c, a, said, calls); err != nil {
			return err
		}
	}
	if a.called && string(r.raw(c.finish)) == `"stop"` {
		r.edits = append(r.edits, edit{c.finish.span, []byte(`"tool_calls"`)})
	}
	return nil
}

func (r *reply) answer(index int) *answer {
	for len(r.answers) <= index {
		r.answers = append(r.answers, nil)
	}
	if r.answers[index] == nil {
		r.answers[index] = &answer{splitter: splitter{names: r.names}}
	}
	return r.answers[index]
}
