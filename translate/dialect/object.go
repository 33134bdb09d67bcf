package dialect

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// Read reads a request's body strictly and has fn take it apart. It returns the
// first fault, an *apierror.Error with the JSON path in Param: readers need not
// look for faults on their way. limit bounds the values of the document; room is
// rewrite.Tree's.
func Read(body []byte, limit int, room func(n int64) error, fn func(*Object)) error {
	root, err := rewrite.Tree(body, limit, room)
	if err != nil {
		return unreadable(err, limit)
	}
	r := new(reading)
	if o, ok := (Value{node: root, reading: r}).Object(); ok {
		fn(o)
	}
	if r.fault != nil {
		return r.fault
	}
	return nil
}

func unreadable(err error, limit int) error {
	if errors.Is(err, rewrite.ErrTooManyValues) {
		return apierror.BadRequest("too_many_values", "", fmt.Sprintf("the request has more than %d values, so nothing was sent; send less or raise limits.json_values", limit))
	}
	if full, ok := errors.AsType[*apierror.Error](err); ok {
		return full // there is no room in memory
	}
	e := apierror.BadRequest("invalid_json", "", "the body is not strict JSON; nothing was sent")
	if fault, ok := errors.AsType[*rewrite.SyntaxError](err); ok {
		e = apierror.BadRequest("invalid_json", fault.Path, fmt.Sprintf("the body is not strict JSON: %s at byte %d; nothing was sent", fault.Reason, fault.Offset))
	}
	e.Cause = err
	return e
}

// reading is one reading of a request. The first fault counts.
type reading struct{ fault *apierror.Error }

func (r *reading) fail(e *apierror.Error) {
	if r.fault == nil {
		r.fault = e
	}
}

// Object is a JSON object that is being read.
type Object struct {
	path    string
	members []rewrite.Member
	taken   []bool
	reading *reading
}

// Value is a JSON value with its place in the request.
type Value struct {
	node    rewrite.Node
	path    string // as in input[3].content[0].text
	reading *reading
}

// Take takes a member; ok tells whether it is there and not null.
func (o *Object) Take(name string) (v Value, ok bool) {
	i := slices.IndexFunc(o.members, func(m rewrite.Member) bool { return m.Name == name })
	if i < 0 {
		return Value{}, false
	}
	o.taken[i] = true
	return o.value(i), o.members[i].Value.Kind != 'n'
}

// TakeObject takes a member that is to be an object; ok tells whether it is there and
// is one. v is the object's place, to refuse it by.
func (o *Object) TakeObject(name string) (v Value, inner *Object, ok bool) {
	if v, ok = o.Take(name); ok {
		inner, ok = v.Object()
	}
	return v, inner, ok
}

func (o *Object) value(i int) Value {
	return Value{node: o.members[i].Value, path: o.at(o.members[i].Name), reading: o.reading}
}

// maxName bounds a member's name in a path, in bytes.
const maxName = 64

// at is the path of a member, as package rewrite writes paths.
func (o *Object) at(name string) string {
	if len(name) > maxName {
		name = name[:maxName] + "…"
	}
	odd := func(c rune) bool {
		return c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
	}
	switch {
	case name == "" || strings.ContainsFunc(name, odd):
		return o.path + "[" + strconv.QuoteToASCII(name) + "]"
	case o.path == "":
		return name
	default:
		return o.path + "." + name
	}
}

// Text takes a string; it is "" where there is none.
func (o *Object) Text(name string) string {
	if v, ok := o.Take(name); ok {
		return v.Text()
	}
	return ""
}

// Raw takes a value of one of the kinds, as its JSON text; nil where there is
// none. The kinds are those of rewrite.Node; 't' is for both booleans.
func (o *Object) Raw(name, kinds string) json.RawMessage {
	if v, ok := o.Take(name); ok {
		return v.Raw(kinds)
	}
	return nil
}

// True takes a boolean.
func (o *Object) True(name string) bool { return string(o.Raw(name, "t")) == "true" }

// Need refuses the request if the member is not there.
func (o *Object) Need(name string) {
	if !slices.ContainsFunc(o.members, func(m rewrite.Member) bool { return m.Name == name && m.Value.Kind != 'n' }) {
		o.reading.fail(apierror.BadRequest("invalid_request", o.at(name), o.at(name)+" is missing; nothing was sent"))
	}
}

// Refuse refuses members that a chat has no counterpart for, unless they say
// nothing. why completes "nothing was sent, for PATH … ".
func (o *Object) Refuse(why string, names ...string) {
	for _, name := range names {
		if v, ok := o.Take(name); ok && !v.saysNothing() {
			v.Refuse(why)
		}
	}
}

// Drop takes members that make no difference to the model.
func (o *Object) Drop(names ...string) {
	for _, name := range names {
		o.Take(name)
	}
}

// End refuses what has not been taken, unless it says nothing.
func (o *Object) End() {
	for i, taken := range o.taken {
		if v := o.value(i); !taken && !v.saysNothing() {
			o.reading.fail(apierror.BadRequest("unknown_parameter", v.path, "the parameter "+shown(v.path)+" is not known here, so nothing was sent; leave it out"))
		}
	}
}

// Is tells whether a value is of the kind, as rewrite.Node has it.
func (v Value) Is(kind byte) bool { return v.node.Kind == kind }

// Refuse refuses the request because of this value. why completes "nothing was
// sent, for PATH … ".
func (v Value) Refuse(why string) {
	v.Fail(apierror.BadRequest("unsupported_parameter", v.path, "nothing was sent, for "+shown(v.path)+" "+why))
}

// NeedMessage refuses the request if what v holds became no message of the chat: a
// chat is nothing without one.
func (v Value) NeedMessage(list []Message) {
	if len(list) == 0 {
		v.Fail(apierror.BadRequest("invalid_request", v.path, v.path+" has no message, so nothing was sent; send at least one"))
	}
}

// Path is the value's place in the request.
func (v Value) Path() string { return v.path }

// Fail refuses the request for a reason of its own.
func (v Value) Fail(e *apierror.Error) { v.reading.fail(e) }

// Raw is the value's JSON text, if it is of one of the kinds; 't' is for both
// booleans.
func (v Value) Raw(kinds string) json.RawMessage {
	kind := v.node.Kind
	if kind == 'f' {
		kind = 't'
	}
	if strings.IndexByte(kinds, kind) < 0 {
		v.reading.fail(apierror.BadRequest("invalid_request", v.path, shown(v.path)+" must be "+named(kinds)+"; nothing was sent"))
		return nil
	}
	return v.node.Raw
}

// Text is a string's text.
func (v Value) Text() string {
	raw := v.Raw(`"`)
	if raw == nil {
		return ""
	}
	text, err := rewrite.Unquote(nil, raw)
	if err != nil { // it was read strictly before
		v.reading.fail(apierror.BadRequest("invalid_json", v.path, shown(v.path)+" is no string of strict JSON; nothing was sent"))
	}
	return string(text)
}

// Object is the value as an object; anything else is a fault.
func (v Value) Object() (o *Object, ok bool) {
	if v.Raw("{") == nil {
		return nil, false
	}
	return &Object{path: v.path, members: v.node.Members, taken: make([]bool, len(v.node.Members)), reading: v.reading}, true
}

// Items are the elements of an array; anything else is a fault.
func (v Value) Items() []Value {
	if v.Raw("[") == nil {
		return nil
	}
	items := make([]Value, len(v.node.Items))
	for i, n := range v.node.Items {
		items[i] = Value{node: n, path: v.path + "[" + strconv.Itoa(i) + "]", reading: v.reading}
	}
	return items
}

// TextOrItems is a string as its JSON text, or the elements of an array; anything
// else is a fault.
func (v Value) TextOrItems() (text json.RawMessage, items []Value) {
	text = v.Raw(`"[`)
	if v.Is('[') {
		return nil, v.Items()
	}
	return text, nil
}

// shown is a path in a message, which may be logged: without names that are no
// plain words, for those may be text.
func shown(path string) string {
	if words, _, odd := strings.Cut(path, `["`); odd {
		path = words + "[?]"
	}
	return cmp.Or(path, "the body")
}

// maxQuoted bounds what a message shows of a word, in bytes.
const maxQuoted = 40

// Quoted is a word of the request, such as a type, for a message, which may be
// logged: a long one is no word of any API, and may be text.
func Quoted(word string) string {
	if quoted := Encode(word); len(quoted) <= maxQuoted {
		return string(quoted)
	}
	return `"…"`
}

// saysNothing tells whether leaving the value out means the same.
func (v Value) saysNothing() bool {
	switch v.node.Kind {
	case 'n', 'f':
		return true
	case '{':
		return len(v.node.Members) == 0
	case '[':
		return len(v.node.Items) == 0
	default:
		return string(v.node.Raw) == `""` || string(v.node.Raw) == "0"
	}
}

func named(kinds string) string {
	names := map[rune]string{'"': "a string", '0': "a number", 't': "a boolean", '{': "an object", '[': "an array"}
	var list []string
	for _, kind := range kinds {
		list = append(list, names[kind])
	}
	return strings.Join(list, " or ")
}
