package ark

import (
	"bytes"
	"strings"

	"sealcar/rewrite"
)

// class says what becomes of the value at a place.
type class byte

const (
	structure class = iota + 1 // a container whose members have places of their own

	// What the scans of chats and completions handle by name.
	object
	modelName
	streamFlag
	messageList
	secretContent // a string to seal or open; in a request also a list of parts
	contentPart
	partType
	secretText
	imageAddress // sealed if it is the image itself
	replyError
	choiceList
	choice
	choiceIndex
	finishReason
	message
	stripped // taken out of the request

	// Parameters that are no content.
	number       // a number, a boolean or null
	word         // one short word, as enumerations and identifiers are
	wordOrObject // the same, or structure
	opaque       // ciphertext of the vendor's, to be passed back as it came
	reason       // why the API failed: text, but the service's own

	// What the protocol cannot seal.
	residue // beside the messages' content
	media   // content: a part that is neither text nor an image, and what is like it
	unknown // no parameter that the table has
)

// place is one line of a table.
type place struct {
	path  string
	class class
}

// shapeOf makes a table the shape of a scan. The name of each value there is
// its class, in one byte, and its path in the table.
func shapeOf(table []place) *rewrite.Shape {
	root := &rewrite.Shape{Fields: map[string]*rewrite.Shape{}}
	for _, p := range table {
		node := root
		if p.path != "" {
			for step := range strings.SplitSeq(strings.ReplaceAll(p.path, "[]", ".[]"), ".") {
				node = child(node, step)
			}
		}
		node.Name = nameOf(p.class, p.path)
	}
	complete(root, "")
	return root
}

func nameOf(c class, path string) string { return string([]byte{byte(c)}) + path }

// classOf and pathIn take a value's name apart.
func classOf(name string) class { return class(name[0]) }

func pathIn(name string) string { return name[1:] }

// child is the node one step below, made if need be.
func child(node *rewrite.Shape, step string) *rewrite.Shape {
	if step == "[]" {
		if node.Items == nil {
			node.Items = new(rewrite.Shape)
		}
		return node.Items
	}
	if node.Fields == nil {
		node.Fields = map[string]*rewrite.Shape{}
	}
	if node.Fields[step] == nil {
		node.Fields[step] = new(rewrite.Shape)
	}
	return node.Fields[step]
}

// complete names the containers without a line of their own and makes whatever
// else they hold unknown, so that no value of theirs goes unseen.
func complete(node *rewrite.Shape, path string) {
	if node.Fields == nil && node.Items == nil {
		return
	}
	if node.Name == "" {
		node.Name = nameOf(structure, path)
	}
	for name, member := range node.Fields {
		complete(member, strings.TrimPrefix(path+"."+name, "."))
	}
	node.Other = &rewrite.Shape{Name: nameOf(unknown, strings.TrimPrefix(path+".*", "."))}
	if node.Items == nil {
		node.Items = &rewrite.Shape{Name: nameOf(unknown, path+"[]")}
		return
	}
	complete(node.Items, path+"[]")
}

// exposure says how bad it is that a value is in clear.
type exposure int

const (
	nothing          exposure = iota // it is no content, or empty
	knownResidue                     // the table has it as residue
	unknownParameter                 // nobody knows what it says
	content                          // it says what messages say
)

// exposureOf judges a value that is not sealed. Containers are judged at their
// end, when it is known whether there is something in them.
func exposureOf(doc []byte, v rewrite.Value) exposure {
	if v.Kind == '{' || v.Kind == '[' || fits(doc, v) {
		return nothing
	}
	switch classOf(v.Name) {
	case residue, opaque:
		return unless(empty(doc, v), knownResidue)
	case media:
		return unless(empty(doc, v), content)
	case unknown:
		isScalar := v.Kind != '}' && v.Kind != ']' && v.Kind != '"'
		if (isScalar || empty(doc, v)) && !strings.Contains(v.Path(), `"`) { // a name that is no word may itself be text
			return nothing
		}
	}
	if strings.HasPrefix(pathIn(v.Name), "messages") { // whatever is in a message may be what it says
		return content
	}
	return unknownParameter
}

// fits tells whether a value is of the kind that its place has, and with that no
// content.
func fits(doc []byte, v rewrite.Value) bool {
	c := classOf(v.Name)
	switch {
	case c == replyError:
		return true
	case v.Kind == '}', v.Kind == ']': // what it holds has been judged
		return c == structure || c == wordOrObject
	case v.Kind != '"':
		return c == number || c == word || c == wordOrObject || c == structure || c == reason
	case c == reason:
		return true
	case c == word, c == wordOrObject, c == finishReason:
		return isWord(doc[v.Start+1 : v.End-1])
	default:
		return c == opaque && LooksSealed(doc[v.Start+1:v.End-1])
	}
}

func unless(harmless bool, e exposure) exposure {
	if harmless {
		return nothing
	}
	return e
}

// empty tells whether a value says nothing: null, "", [] or {}.
func empty(doc []byte, v rewrite.Value) bool {
	switch v.Kind {
	case 'n':
		return true
	case '"', '}', ']':
		return len(bytes.Trim(doc[v.Start+1:v.End-1], " \t\r\n")) == 0
	default:
		return false
	}
}

// maxWord bounds a word, in bytes: the longest in use are names of models and
// identifiers of tool calls.
const maxWord = 128

// isWord tells whether the raw text of a string is one word of the characters
// that enumerations and identifiers have.
func isWord(raw []byte) bool {
	for _, c := range raw {
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("_-.:/@+|", c) < 0 {
			return false
		}
	}
	return len(raw) <= maxWord
}
