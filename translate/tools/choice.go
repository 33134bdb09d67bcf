package tools

import (
	"slices"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// The modes of a tool_choice.
const (
	choiceAuto     = "auto"
	choiceNone     = "none"
	choiceRequired = "required"
)

// choice is what the application lets the model do with the tools.
type choice struct {
	mode    string
	named   []byte   // the function to call, as a JSON string
	allowed [][]byte // the functions that may be called, likewise; empty means all
	single  bool     // one call at most
}

//nolint:gochecknoglobals // immutable tables
var (
	choiceMore  = &rewrite.Shape{Name: "more"} // what the form has no words for
	choiceShape = &rewrite.Shape{
		Name: "choice",
		Fields: map[string]*rewrite.Shape{
			"type":     {Name: "type"},
			"name":     {Name: "named"}, // of a function_call
			"function": {Fields: map[string]*rewrite.Shape{"name": {Name: "named"}}, Other: choiceMore},
			"allowed_tools": {Fields: map[string]*rewrite.Shape{
				"mode": {Name: "mode"},
				"tools": {Items: &rewrite.Shape{Fields: map[string]*rewrite.Shape{
					"type":     {Name: "allowed type"},
					"function": {Fields: map[string]*rewrite.Shape{"name": {Name: "allowed"}}},
				}}},
			}, Other: choiceMore},
		},
		Other: choiceMore,
	}
)

// choiceScan is the state of reading one choice.
type choiceScan struct {
	choice
	kind  string // the type, if it is an object
	wrong bool
}

// readChoice reads the value of tool_choice or function_call, which stands at
// param. offered are the names of the tools.
func readChoice(value []byte, param string, offered names) (choice, error) {
	s := choiceScan{choice: choice{mode: choiceAuto}}
	err := rewrite.Scan(value, choiceShape, func(v rewrite.Value) error {
		s.value(v.Name, v.Kind, value[v.Start:v.End])
		return nil
	})
	switch s.kind {
	case "":
	case "function":
		s.wrong = s.wrong || s.named == nil
	case "allowed_tools":
		s.wrong = s.wrong || len(s.allowed) == 0
	default:
		s.wrong = true
	}
	if err != nil || s.wrong || !slices.Contains([]string{choiceAuto, choiceNone, choiceRequired}, s.mode) {
		return choice{}, apierror.BadRequest("invalid_request", param, "with move_tools "+param+" is auto, none, required, a function, or allowed_tools that are functions; nothing was sent")
	}
	for _, name := range append(slices.Clone(s.allowed), s.named) {
		if name != nil && !offered[text(name)] {
			return choice{}, apierror.BadRequest("invalid_request", param, param+" names a function that is not among the request's tools; nothing was sent")
		}
	}
	return s.choice, nil
}

func (s *choiceScan) value(name string, kind byte, raw []byte) {
	switch name {
	case "choice":
		switch kind {
		case '"':
			s.mode = text(raw)
		case '{':
			s.kind = "function"
		case '}', 'n':
		default:
			s.wrong = true
		}
	case "type":
		s.kind = text(raw)
	case "mode":
		s.mode = text(raw)
	case "named":
		s.wrong = s.wrong || s.named != nil
		s.named = raw
	case "more":
		s.wrong = s.wrong || kind != 'n'
	case "allowed type":
		s.wrong = s.wrong || text(raw) != "function"
	case "allowed":
		s.allowed = append(s.allowed, raw)
	}
}

// candidates are the functions that the model may call.
func (c choice) candidates(offered names) names {
	switch {
	case c.mode == choiceNone:
		return nil
	case len(c.allowed) == 0:
		return offered
	default:
		allowed := names{}
		for _, name := range c.allowed {
			allowed[text(name)] = true
		}
		return allowed
	}
}
