package rewrite

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrTooManyValues says that a document has more values than Tree may hold.
var ErrTooManyValues = errors.New("too many values")

// Node is one value of a document that Tree has read.
type Node struct {
	Kind    byte     // '"' string, '0' number, 't' 'f' 'n' literals, '{' object, '[' array
	Raw     []byte   // its JSON text, in the document's own memory
	Members []Member // of an object, in their order
	Items   []Node   // of an array
}

// Member is a name and its value, escapes in the name resolved.
type Member struct {
	Name  string
	Value Node
}

// Tree reads one JSON document as strictly as Scan does, and returns all of it,
// for those whose output has another structure than their input. More than limit
// values are ErrTooManyValues. There is no Shape, so names that differ only in case
// are different names; a caller has to refuse those that it does not know.
//
// room is asked before the tree takes n bytes of memory, again and again as it
// grows; an error of its ends the reading. nil = there is always room.
func Tree(src []byte, limit int, room func(n int64) error) (Node, error) {
	t := treeReader{limit: limit, room: room, asked: firstAsked}
	t.scanner.reset(src, nil)
	root, err := t.node()
	if err != nil {
		return Node{}, err
	}
	return root, t.scanner.end()
}

type treeReader struct {
	scanner Scanner
	limit   int // of values
	values  int // that have come
	asked   int // for so many there is room
	room    func(n int64) error
}

// A value costs a Node, be it in a Member, its name, and the smaller arrays that
// it was in while the one around it grew; in bytes. The first few cost too little
// to ask.
const (
	valueCost  = 256
	firstAsked = 64
)

// count counts one more value.
func (t *treeReader) count() error {
	if t.values++; t.values > t.limit {
		return ErrTooManyValues
	}
	if t.values <= t.asked || t.room == nil {
		return nil
	}
	t.asked *= 2
	return t.room(int64(t.asked) * valueCost)
}

func (t *treeReader) node() (Node, error) {
	if err := t.count(); err != nil {
		return Node{}, err
	}
	switch t.scanner.dec.PeekKind() {
	case jsontext.KindBeginObject:
		return t.container(jsontext.KindEndObject, t.member)
	case jsontext.KindBeginArray:
		return t.container(jsontext.KindEndArray, t.item)
	}
	raw, err := t.scanner.dec.ReadValue()
	if err != nil {
		return Node{}, t.scanner.fault(err)
	}
	return Node{Kind: byte(raw.Kind()), Raw: t.text(len(raw))}, nil
}

// container reads an object or an array, whose next element one adds to a node.
func (t *treeReader) container(end jsontext.Kind, one func(*Node) error) (Node, error) {
	token, err := t.scanner.dec.ReadToken()
	if err != nil {
		return Node{}, t.scanner.fault(err)
	}
	n := Node{Kind: byte(token.Kind())}
	start := t.scanner.dec.InputOffset() - 1
	for t.scanner.dec.PeekKind() != end {
		if err := one(&n); err != nil {
			return Node{}, err
		}
	}
	if _, err := t.scanner.dec.ReadToken(); err != nil {
		return Node{}, t.scanner.fault(err)
	}
	n.Raw = t.text(int(t.scanner.dec.InputOffset() - start))
	return n, nil
}

func (t *treeReader) member(of *Node) error {
	raw, err := t.scanner.dec.ReadValue()
	if err != nil {
		return t.scanner.fault(err)
	}
	name, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return t.scanner.fault(err)
	}
	value, err := t.node()
	of.Members = append(of.Members, Member{Name: string(name), Value: value})
	return err
}

func (t *treeReader) item(of *Node) error {
	item, err := t.node()
	of.Items = append(of.Items, item)
	return err
}

// text is what was read last, of the given length. It is taken from the document
// because the decoder reuses the memory of what it returns.
func (t *treeReader) text(length int) []byte {
	end := int(t.scanner.dec.InputOffset())
	return t.scanner.src[end-length : end : end]
}
