package tools

import (
	"sealcar/payload"
	"sealcar/rewrite"
)

//nolint:gochecknoglobals // immutable tables
var (
	callFields = map[string]*rewrite.Shape{"name": {Name: "call name"}, "arguments": {Name: "call arguments"}}
	lost       = &rewrite.Shape{Name: "lost"} // of a call: what the form has no place for

	messageShape = &rewrite.Shape{
		Name: "message",
		Fields: map[string]*rewrite.Shape{
			"role": {Name: "role"},
			"content": {Name: "content", Items: &rewrite.Shape{
				Name:   "part",
				Fields: map[string]*rewrite.Shape{"type": {Name: "part type"}, "text": {Name: "part text"}, "prompt_cache_breakpoint": nil},
				Other:  &rewrite.Shape{Name: "part more"},
			}},
			"name":         {Name: "name"},
			"tool_call_id": {Name: "result id"},
			"tool_calls": {Name: "calls", Items: &rewrite.Shape{
				Name: "call",
				Fields: map[string]*rewrite.Shape{
					"id": {Name: "call id"}, "type": {Name: "call type"}, "index": nil,
					"function": {Fields: callFields, Other: lost},
				},
				Other: lost,
			}},
			"function_call": {Name: "old call", Fields: callFields, Other: lost},
		},
		Other: &rewrite.Shape{Name: "other"},
	}
)

// message is what there is to know of one.
type message struct {
	index   int
	span    rewrite.Span
	role    string
	content value
	parts   []value // texts of the parts of content; of kind 0 for one that is no text
	isText  bool    // the type of the present part says so
	more    bool    // and it has more than a text
	name    []byte
	id      []byte // of the call whose result it is
	calls   []call
	members []rewrite.Span // those that hold the calls
	other   string         // path of a member that no result has
}

// call is one that the model made before. Its values are JSON, nil if missing.
type call struct {
	id, name, arguments []byte
	kind                string // its type; function if it has none
}

// run is a run of results, which become one message: chat templates that want
// users and the assistant to take turns refuse several.
type run struct {
	span rewrite.Span
	text []byte
}

// inMessages reads what stands in the list of messages.
func (s *chatScan) inMessages(v rewrite.Value) error {
	m, raw := &s.message, s.body[v.Start:v.End]
	switch v.Name {
	case "message":
		if v.Kind == '{' {
			*m = message{index: s.count, span: rewrite.Span{Start: v.Start}, parts: m.parts[:0], calls: m.calls[:0]}
		}
		if v.Kind == '}' {
			m.span.End = v.End
			s.count++
			return s.endMessage(v)
		}
	case "role":
		m.role = text(raw)
	case "name":
		m.name = raw
	case "result id":
		m.id = raw
	case "content", "part", "part type", "part text", "part more":
		m.inContent(v, raw)
	case "other":
		if m.other == "" && v.Kind != 'n' {
			m.other = v.Path()
		}
	default:
		return s.inCalls(v)
	}
	return nil
}

// inContent reads what stands in the content of a message. The type of a part
// may come after its text.
func (m *message) inContent(v rewrite.Value, raw []byte) {
	last := len(m.parts) - 1
	switch v.Name {
	case "content":
		m.content = valueOf(v)
	case "part":
		if v.Kind != '}' {
			m.parts, m.isText, m.more = append(m.parts, value{}), false, false
		} else if !m.isText || m.more {
			m.parts[last] = value{}
		}
	case "part type":
		m.isText = text(raw) == "text"
	case "part text":
		m.parts[last] = valueOf(v)
	case "part more":
		m.more = m.more || v.Kind != 'n'
	}
}

// inCalls reads the calls of a message.
func (s *chatScan) inCalls(v rewrite.Value) error {
	m, raw := &s.message, s.body[v.Start:v.End]
	switch v.Name {
	case "calls", "old call":
		if v.Kind == '{' && v.Name == "old call" {
			m.calls = append(m.calls, call{kind: "function"})
		}
		if v.Kind == ']' || v.Kind == '}' {
			m.members = append(m.members, valueOf(v).span)
		}
		if v.Name == "calls" {
			return payload.MustBe(v, "[]n", "an array")
		}
		return payload.MustBe(v, "{}n", "an object")
	case "call":
		if v.Kind == '{' {
			m.calls = append(m.calls, call{kind: "function"})
		}
		return payload.MustBe(v, "{}", "an object")
	case "lost":
		if v.Kind != 'n' {
			return unmovable(v.Path(), "more than a call of a function")
		}
	case "call id":
		m.lastCall().id = raw
	case "call type":
		m.lastCall().kind = text(raw)
	case "call name":
		m.lastCall().name = raw
	case "call arguments":
		m.lastCall().arguments = raw
	}
	return nil
}

func (m *message) lastCall() *call { return &m.calls[len(m.calls)-1] }
