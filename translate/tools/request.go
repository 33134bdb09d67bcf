package tools

import (
	"errors"
	"fmt"
	"slices"

	"sealcar/apierror"
	"sealcar/payload"
	"sealcar/rewrite"
)

// names is a set of functions.
type names map[string]bool

// tool is one function that the model is offered.
type tool struct {
	document []byte // as the model is told of it
	isTool   bool   // its type says function
	name     []byte // a JSON string
}

// moved is a chat whose tools stand in its messages.
type moved struct {
	body  []byte
	names names // the functions that a reply may call
	from  []int // for each message, which one of the application's it was, or the first of those; -1 is ours
}

// asWritten has a refusal of a message name it as the application counts.
func (m *moved) asWritten(err error) error {
	refusal, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		return err
	}
	i, rest, ok := rewrite.Element(refusal.Param, "messages")
	if !ok || i >= len(m.from) || m.from[i] < 0 {
		return err
	}
	return refusal.Elsewhere(fmt.Sprintf("messages[%d]%s", m.from[i], rest))
}

//nolint:gochecknoglobals // immutable tables
var (
	functionShape = &rewrite.Shape{Name: "function", Fields: map[string]*rewrite.Shape{"name": {Name: "function name"}}}

	chatShape = &rewrite.Shape{Fields: map[string]*rewrite.Shape{
		"messages": {Name: "messages", Items: messageShape},
		"tools": {Name: "tools", Items: &rewrite.Shape{Name: "tool", Fields: map[string]*rewrite.Shape{
			"type":     {Name: "tool type"},
			"function": {Fields: map[string]*rewrite.Shape{"name": {Name: "tool name"}}},
		}}},
		"tool_choice":         {Name: "tool_choice"},
		"parallel_tool_calls": {Name: "parallel_tool_calls"},
		"functions":           {Name: "tools", Items: functionShape},
		"function_call":       {Name: "function_call"},
	}}
)

// move rewrites a chat, or returns nil for one that has neither tools nor calls
// of any. It returns nil too for a body that does not read strictly or has no
// messages: that is for the seal to refuse, which looks at the headers first.
// Nothing is made of it before there is room.
func move(body []byte, r *room) (*moved, error) {
	s := chatScan{body: body, room: r, offered: names{}, called: map[string][]byte{}}
	err := rewrite.Scan(body, chatShape, s.value)
	if _, ok := errors.AsType[*rewrite.SyntaxError](err); ok {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(s.tools) == 0 && !s.history || s.list == 0 {
		return nil, nil
	}
	c, err := s.choose()
	if err != nil {
		return nil, err
	}
	if len(s.tools) > 0 {
		if err := s.instruct(appendInstructions(nil, s.tools, c)); err != nil {
			return nil, err
		}
	}
	for _, cut := range s.cuts {
		s.edits = append(s.edits, edit{span: cut})
	}
	out, err := apply(nil, body, s.edits)
	return &moved{body: out, names: c.candidates(s.offered), from: s.from}, err
}

// chatScan is the state of one scan of a chat's body.
type chatScan struct {
	body  []byte
	room  *room
	edits []edit
	cuts  []rewrite.Span // members of the top level, in document order

	tools      []tool
	offered    names
	toolChoice value
	choiceName string // tool_choice or function_call
	single     bool

	list    int // where the first message would stand
	count   int // of messages
	from    []int
	first   message
	message message           // that the scan is in
	call    call              // that the scan is in
	run     run               // of results, that the scan is in or behind
	called  map[string][]byte // names of the calls so far by their id, both JSON
	history bool              // there are calls or results
}

// value is one value of the body.
type value struct {
	kind byte // 0 if there is none
	span rewrite.Span
}

func valueOf(v rewrite.Value) value {
	return value{v.Kind, rewrite.Span{Start: v.Start, End: v.End}}
}

func (s *chatScan) raw(v value) []byte { return s.body[v.span.Start:v.span.End] }

func (s *chatScan) value(v rewrite.Value) error {
	if err := s.room.forValue(v); err != nil {
		return err
	}
	switch v.Name {
	case "messages":
		s.list = v.Start + 1
		if v.Kind == ']' {
			return s.endRun()
		}
		return payload.MustBe(v, "[", "an array")
	case "tools":
		s.cut(v)
		return payload.MustBe(v, "[]n", "an array")
	case "tool_choice", "function_call":
		s.cut(v)
		if v.Kind == '{' || v.Kind == '[' || v.Kind == 'n' {
			return nil
		}
		if s.toolChoice.kind != 0 {
			return apierror.BadRequest("invalid_request", v.Path(), "a chat has one choice of its tools, be it tool_choice or function_call; nothing was sent")
		}
		s.toolChoice, s.choiceName = valueOf(v), v.Name
		return nil
	case "parallel_tool_calls":
		s.cut(v)
		s.single = v.Kind == 'f'
		return payload.MustBe(v, "tfn", "a boolean")
	case "tool", "tool type", "tool name", "function", "function name":
		return s.tool(v)
	default:
		return s.inMessages(v)
	}
}

// cut takes a member of the top level out, once its value has ended.
func (s *chatScan) cut(v rewrite.Value) {
	if v.Kind != '{' && v.Kind != '[' {
		s.cuts = rewrite.Cut(s.cuts, s.body, valueOf(v).span)
	}
}

// tool reads the tools, and the functions of the older form.
func (s *chatScan) tool(v rewrite.Value) error {
	raw := s.body[v.Start:v.End]
	switch v.Name {
	case "tool type":
		s.last().isTool = text(raw) == "function"
	case "tool name", "function name":
		s.last().name = raw
	default:
		if v.Kind == '{' {
			s.tools = append(s.tools, tool{})
		}
		if v.Kind == '}' {
			return s.offer(v)
		}
		return payload.MustBe(v, "{", "an object")
	}
	return nil
}

func (s *chatScan) last() *tool { return &s.tools[len(s.tools)-1] }

// offer ends a tool.
func (s *chatScan) offer(v rewrite.Value) error {
	if err := s.room.forText(v.End - v.Start); err != nil {
		return err
	}
	t := s.last()
	t.document = s.body[v.Start:v.End]
	if v.Name == "function" {
		t.isTool = true
		t.document = slices.Concat([]byte(`{"type":"function","function":`), t.document, []byte("}"))
	}
	name := text(t.name)
	switch {
	case !t.isTool:
		return unmovable(v.Path(), "a tool that is no function")
	case name == "":
		return apierror.BadRequest("invalid_request", v.Path(), v.Path()+" has no name; nothing was sent")
	}
	s.offered[name] = true
	return nil
}

func (s *chatScan) choose() (choice, error) {
	c := choice{mode: choiceAuto}
	if s.toolChoice.kind != 0 && len(s.tools) > 0 {
		var err error
		if c, err = readChoice(s.raw(s.toolChoice), s.choiceName, s.offered); err != nil {
			return c, err
		}
	}
	c.single = s.single
	return c, nil
}

// instruct tells the model of its tools at the end of the system message that
// opens the chat, where models were trained to find them; without one there is
// one more message.
func (s *chatScan) instruct(instructions []byte) error {
	if s.first.role == "system" || s.first.role == "developer" {
		return s.extend(&s.first, instructions, "\n\n")
	}
	quoted, err := rewrite.Quote([]byte(`{"role":"system","content":`), instructions)
	if err != nil {
		return err
	}
	quoted = append(quoted, '}')
	if s.count > 0 {
		quoted = append(quoted, ',')
	}
	s.edits = append(s.edits, edit{at(s.list), quoted})
	s.from = slices.Insert(s.from, 0, -1)
	return nil
}

func unmovable(path, what string) *apierror.Error {
	return apierror.BadRequest("unmovable_tool", path, path+" is "+what+", which move_tools has no form for, so nothing was sent. Leave it out, or turn move_tools off for the route")
}
