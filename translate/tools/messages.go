package tools

import (
	"cmp"
	"fmt"
	"slices"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// endMessage writes what a message holds of tools into its content.
func (s *chatScan) endMessage(v rewrite.Value) error {
	m := &s.message
	if m.role == "tool" || m.role == "function" {
		return s.result(v)
	}
	if err := s.endRun(); err != nil {
		return err
	}
	s.from = append(s.from, m.index)
	if len(m.calls) > 0 {
		return s.calls(v)
	}
	if m.index == 0 {
		s.first = *m
		s.first.parts = slices.Clone(m.parts) // the next message takes their memory
	}
	return nil
}

// calls puts the calls of the assistant behind what it said.
func (s *chatScan) calls(v rewrite.Value) error {
	s.history = true
	m := &s.message
	for _, span := range m.members {
		if err := s.room.forText(span.End - span.Start); err != nil {
			return err
		}
	}
	if m.role == "" {
		return apierror.BadRequest("invalid_request", v.Path(), v.Path()+" has calls and no role; nothing was sent")
	}
	var blocks []byte
	for i, c := range m.calls {
		switch {
		case c.kind != "function":
			return unmovable(fmt.Sprintf("%s.tool_calls[%d]", v.Path(), i), "a call of a tool that is no function")
		case text(c.name) == "":
			return apierror.BadRequest("invalid_request", v.Path(), v.Path()+" names no function; nothing was sent")
		}
		if i > 0 {
			blocks = append(blocks, '\n')
		}
		blocks = appendCall(blocks, c.id, c.name, c.object())
		s.called[text(c.id)] = c.name
	}
	var cuts []rewrite.Span
	for _, span := range m.members {
		cuts = rewrite.Cut(cuts, s.body, span)
	}
	if err := s.extend(m, blocks, "\n"); err != nil {
		return err
	}
	for _, cut := range cuts {
		s.edits = append(s.edits, edit{span: cut})
	}
	return nil
}

// object is a call's arguments as they stand in a block: the JSON that is their
// text, or their text as a string if a model once wrote what is no JSON.
func (c *call) object() []byte {
	inner, err := rewrite.Unquote(nil, c.arguments)
	if err != nil || rewrite.Scan(inner, nil, nil) != nil {
		return c.arguments
	}
	return inner
}

// result adds the result of a call to the present run of them.
func (s *chatScan) result(v rewrite.Value) error {
	s.history = true
	m := &s.message
	if err := s.room.forText(m.span.End - m.span.Start); err != nil {
		return err
	}
	if m.other != "" || len(m.calls) > 0 {
		return unmovable(cmp.Or(m.other, v.Path()), "more than a result of a tool")
	}
	content, ok := s.texts(m)
	if !ok {
		return unmovable(v.Path()+".content", "a result that is not text")
	}
	name := m.name
	if name == nil {
		name = s.called[text(m.id)]
	}
	if s.run.text == nil {
		s.run.span.Start = m.span.Start
		s.from = append(s.from, m.index)
	} else {
		s.run.text = append(s.run.text, '\n')
	}
	s.run.span.End = m.span.End
	s.run.text = appendResult(s.run.text, m.id, name, content)
	return nil
}

// texts is the content of a message as JSON, if it is nothing but text: a string,
// or a list of strings for a list of parts.
func (s *chatScan) texts(m *message) (json []byte, ok bool) {
	switch m.content.kind {
	case 0:
		return []byte(`""`), true
	case '"', 'n':
		return s.raw(m.content), true
	case ']':
	default:
		return nil, false
	}
	json = append(json, '[')
	for i, part := range m.parts {
		if part.kind != '"' {
			return nil, false
		}
		if i > 0 {
			json = append(json, ',')
		}
		json = append(json, s.raw(part)...)
	}
	return append(json, ']'), true
}

// endRun makes a run of results one message. Its role is the user's: that of
// tools is for results of calls in tool_calls, which are gone.
func (s *chatScan) endRun() error {
	if s.run.text == nil {
		return nil
	}
	out, err := rewrite.Quote([]byte(`{"role":"user","content":`), s.run.text)
	if err != nil {
		return err
	}
	s.edits = append(s.edits, edit{s.run.span, append(out, '}')})
	s.run = run{}
	return nil
}

// extend appends text to the content of a message, with separator between them
// if there is both.
func (s *chatScan) extend(m *message, text []byte, separator string) error {
	content, span := m.content, m.content.span
	if content.kind == '"' && span.End-span.Start > len(`""`) {
		text = append([]byte(separator), text...)
	}
	quoted, err := rewrite.Quote(nil, text)
	if err != nil {
		return err
	}
	var e edit
	switch content.kind {
	case '"': // before the quote that ends it
		e = edit{at(span.End - 1), quoted[1 : len(quoted)-1]}
	case 'n':
		e = edit{span, quoted}
	case 0: // before the members that there are: a role at least
		e = edit{at(m.span.Start + 1), slices.Concat([]byte(`"content":`), quoted, []byte(","))}
	case ']':
		part := slices.Concat([]byte(`{"type":"text","text":`), quoted, []byte("}"))
		if len(m.parts) > 0 {
			part = append([]byte(","), part...)
		}
		e = edit{at(span.End - 1), part}
	default:
		at := fmt.Sprintf("messages[%d].content", m.index)
		return apierror.BadRequest("invalid_request", at, at+" must be a string or a list of parts; nothing was sent")
	}
	s.edits = append(s.edits, e)
	return nil
}
