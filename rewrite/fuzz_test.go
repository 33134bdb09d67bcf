package rewrite_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sealcar/rewrite"
)

// FuzzScanSplice compares Scan and Splice with a whole decode: a document is
// accepted if and only if the decoder accepts it and no name differs from a known
// one only in case; splicing in what is there gives the same bytes; and splicing in
// other strings changes those strings and nothing else.
func FuzzScanSplice(f *testing.F) {
	shape := &rewrite.Shape{Name: "v", Fields: map[string]*rewrite.Shape{}}
	shape.Items, shape.Other = shape, shape
	for _, known := range knownNames() {
		shape.Fields[known] = shape
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		before := bytes.Clone(doc)
		var strs []rewrite.Span
		depth := 0
		err := rewrite.Scan(doc, shape, func(v rewrite.Value) error {
			switch v.Kind {
			case '"':
				strs = append(strs, rewrite.Span{Start: v.Start, End: v.End})
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			return checkValue(doc, v)
		})
		if !bytes.Equal(doc, before) {
			t.Fatal("Scan changed the document")
		}
		tree, ok := decode(doc)
		if (err == nil) != (ok && !misspelt(tree)) {
			t.Fatalf("Scan: %v; the decoder accepts it: %v", err, ok)
		}
		if skipErr := rewrite.Scan(doc, nil, nil); (skipErr == nil) != ok {
			t.Fatalf("Scan without a shape: %v; the decoder accepts it: %v", skipErr, ok)
		}
		if err != nil {
			return
		}
		if depth != 0 {
			t.Fatalf("%d containers were opened and not closed", depth)
		}
		same, err := rewrite.Splice(nil, doc, strs, func(dst, value []byte) ([]byte, error) { return append(dst, value...), nil })
		if err != nil || !bytes.Equal(same, doc) {
			t.Fatalf("identity gave %q, %v", same, err)
		}
		other, err := rewrite.Splice(nil, doc, strs, mark)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := decode(other)
		if want := marked(tree); !ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("replaced strings gave %q: %v, want %v", other, got, want)
		}
	})
}

func knownNames() []string { return []string{"messages", "content", "k"} }

// checkValue checks what a caller relies on: offsets that hold a value of the kind.
func checkValue(doc []byte, v rewrite.Value) error {
	if v.Kind == '{' || v.Kind == '[' {
		if v.Start != v.End || doc[v.Start] != v.Kind {
			return fmt.Errorf("opening %+v", v)
		}
		return nil
	}
	raw := jsontext.Value(doc[v.Start:v.End])
	kind := v.Kind
	if kind == '}' || kind == ']' {
		kind -= 2 // the ASCII distance between closing and opening brackets
	}
	if !raw.IsValid() || raw.Kind() != jsontext.Kind(kind) || len(bytes.TrimSpace(raw)) != len(raw) {
		return fmt.Errorf("%+v holds %q", v, raw)
	}
	return nil
}

const marker = "\"\u00e9\n"

func mark(dst, value []byte) ([]byte, error) {
	text, err := rewrite.Unquote([]byte(marker), value)
	if err != nil {
		return dst, err
	}
	return rewrite.Quote(dst, text)
}

// marked is the tree that the documents made by mark have to decode to.
func marked(tree any) any {
	switch v := tree.(type) {
	case string:
		return marker + v
	case []any:
		for i := range v {
			v[i] = marked(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = marked(v[name])
		}
	}
	return tree
}

// decode reads a document with the whole decoder, numbers as they are written.
func decode(doc []byte) (any, bool) {
	var tree any
	err := json.Unmarshal(doc, &tree, json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		raw, err := dec.ReadValue()
		*v = raw.Clone()
		return err
	})))
	return tree, err == nil
}

// misspelt reports whether any object has a name that only folds to a known one.
func misspelt(tree any) bool {
	switch v := tree.(type) {
	case []any:
		return slices.ContainsFunc(v, misspelt)
	case map[string]any:
		for name, value := range v {
			folds := func(known string) bool { return name != known && strings.EqualFold(name, known) }
			if slices.ContainsFunc(knownNames(), folds) || misspelt(value) {
				return true
			}
		}
	}
	return false
}

// FuzzQuote checks that Unquote undoes Quote and that both agree on what is text.
func FuzzQuote(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		raw, err := rewrite.Quote(nil, text)
		if valid := bytes.Equal(bytes.ToValidUTF8(text, nil), text); (err == nil) != valid {
			t.Fatalf("Quote: %v; valid UTF-8: %v", err, valid)
		}
		if err == nil {
			back, err := rewrite.Unquote(nil, raw)
			if err != nil || !bytes.Equal(back, text) {
				t.Fatalf("Unquote(%s) = %q, %v", raw, back, err)
			}
		}
		_, err = rewrite.Unquote(nil, text) // text itself taken as a raw string
		isString := rewrite.Scan(text, nil, nil) == nil && len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"'
		if (err == nil) != isString {
			t.Fatalf("Unquote: %v; Scan takes it as a string: %v", err, isString)
		}
	})
}

// FuzzEventsSplit compares Events with a plain reading of the grammar, and checks
// that neither bytes, data nor faults depend on how the body comes in.
func FuzzEventsSplit(f *testing.F) {
	for _, test := range grammar() {
		f.Add([]byte(test.stream), []byte{1, 2, 3}, uint8(0))
		f.Add([]byte(test.stream), []byte{}, uint8(7))
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte, limit uint8) {
		whole := run(bytes.NewReader(stream), int(limit), shout)
		split := run(&cutReader{rest: stream, cuts: cuts}, int(limit), shout)
		if !reflect.DeepEqual(whole, split) {
			t.Fatalf("at once: %+q\nin pieces: %+q", whole, split)
		}
		same := run(bytes.NewReader(stream), int(limit), func(dst, _ []byte) ([]byte, bool, error) { return dst, false, nil })
		if !bytes.HasPrefix(stream, []byte(same.out)) || (same.end == io.EOF.Error()) != (same.out == string(stream)) {
			t.Fatalf("unchanged events: %+q of %q", same, stream)
		}
		in, out := parse(same.out), parse(whole.out)
		if !slices.Equal(whole.data, datas(in)) {
			t.Fatalf("data %q, want %q", whole.data, datas(in))
		}
		for i := range in {
			in[i].shout()
		}
		if !reflect.DeepEqual(in, out) {
			t.Fatalf("the output means %+v, want %+v", out, in)
		}
		if tail := stream[len(same.out):]; limit == 0 && (len(tail) > 0 && len(parse(string(stream))) > len(in)) {
			t.Fatalf("whole events were held back: %q", tail)
		}
	})
}

// outcome is all that can be seen of a stream.
type outcome struct {
	out  string
	data []string
	end  string
}

func run(body io.Reader, limit int, fn func(dst, data []byte) ([]byte, bool, error)) outcome {
	var o outcome
	r := events(body, rewrite.EventConfig{
		Limit: limit,
		Data: func(dst, data []byte) ([]byte, bool, error) {
			o.data = append(o.data, string(data))
			return fn(dst, data)
		},
		End: func(dst []byte, err error) ([]byte, error) {
			o.end += err.Error()
			return dst, err
		},
	})
	out, _ := io.ReadAll(r)
	o.out = string(out)
	return o
}

// cutReader gives pieces of the sizes in cuts, round and round, and its last
// piece together with io.EOF where its size is odd.
type cutReader struct {
	rest, cuts []byte
	i          int
}

func (c *cutReader) Read(p []byte) (int, error) {
	size := 1
	if len(c.cuts) > 0 {
		size = max(1, int(c.cuts[c.i%len(c.cuts)]))
		c.i++
	}
	n := copy(p[:min(size, len(p))], c.rest)
	c.rest = c.rest[n:]
	if len(c.rest) == 0 && (n == 0 || size%2 == 1) {
		return n, io.EOF
	}
	return n, nil
}

// event is what the grammar says a client sees: whether there is data and which,
// and the other lines.
type event struct {
	hasData bool
	data    string
	others  []string
}

func (e *event) shout() {
	if out, changed, _ := shout(nil, []byte(e.data)); changed {
		e.data = string(out)
	}
}

func datas(all []event) []string {
	var d []string
	for _, e := range all {
		if e.hasData {
			d = append(d, e.data)
		}
	}
	return d
}

// parse reads whole events by the letter of WHATWG HTML, section 9.2, with
// everything in memory.
func parse(stream string) []event {
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	lines := strings.Split(stream, "\n")
	var all []event
	var e event
	for _, line := range lines[:len(lines)-1] {
		field, value, _ := strings.Cut(line, ":")
		switch {
		case line == "":
			all = append(all, e)
			e = event{}
		case field != "data":
			e.others = append(e.others, line)
		default:
			value = strings.TrimPrefix(value, " ")
			if e.hasData {
				value = e.data + "\n" + value
			}
			e.hasData, e.data = true, value
		}
	}
	return all
}
