package rewrite_test

import (
	"reflect"
	"testing"

	"sealcar/rewrite"
)

// without is doc without the members of its top level that are named x, y or z"\.
func without(t *testing.T, doc string) string {
	t.Helper()
	cut := &rewrite.Shape{Name: "cut"}
	shape := &rewrite.Shape{Fields: map[string]*rewrite.Shape{"x": cut, "y": cut, `z"\`: cut}}
	var cuts []rewrite.Span
	err := rewrite.Scan([]byte(doc), shape, func(v rewrite.Value) error {
		if v.Kind != '{' && v.Kind != '[' {
			cuts = rewrite.Cut(cuts, []byte(doc), rewrite.Span{Start: v.Start, End: v.End})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := rewrite.Splice(nil, []byte(doc), cuts, func(dst, _ []byte) ([]byte, error) { return dst, nil })
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCutTakesMembersOutAndLeavesEveryOtherByte(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, doc, want string }{
		{"none", `{"a":1}`, `{"a":1}`},
		{"only one", `{"x":1}`, `{}`},
		{"only one, spaced", ` { "x" : [1, {"x":2}] } `, ` {  } `},
		{"first", `{"x":1,"a":1.00}`, `{"a":1.00}`},
		{"last", `{"a":1,"x":"s"}`, `{"a":1}`},
		{"middle", `{"a":1,"x":null,"b":2}`, `{"a":1,"b":2}`},
		{"all", `{"x":1,"y":{},"z\"\\":[]}`, `{}`},
		{"first two", "{\"x\":1,\n\"y\":2,\n\"a\":3}", "{\n\n\"a\":3}"},
		{"last two", `{"a":3 , "x":1 , "y":2 }`, `{"a":3  }`},
		{"two apart", `{"x":1,"a":3,"y":2}`, `{"a":3}`},
		{"deeper ones stay", `{"a":{"x":1},"b":[{"y":2}]}`, `{"a":{"x":1},"b":[{"y":2}]}`},
		{"escaped name", `{"a":1,"\u0078":1}`, `{"a":1}`},
		{"quotes and colons in names and values", `{"a:\"":",","z\"\\":":\",\"","b":":"}`, `{"a:\"":",","b":":"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := without(t, test.doc); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// FuzzCut compares with a decode: what is left is the object without the
// members.
func FuzzCut(f *testing.F) {
	for _, seed := range []string{`{"x":1}`, `{"a":",","x":{"y":1},"y" : "\""}`, `{"x":1,"y":2,"a":3}`, "{\"a\":1 ,\n\"z\\\"\\\\\":[]}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		tree, ok := decode(doc)
		want, isObject := tree.(map[string]any)
		if !ok || !isObject || rewrite.Scan(doc, &rewrite.Shape{Fields: map[string]*rewrite.Shape{"x": nil, "y": nil, `z"\`: nil}}, nil) != nil {
			return
		}
		for _, name := range []string{"x", "y", `z"\`} {
			delete(want, name)
		}
		left := without(t, string(doc))
		got, ok := decode([]byte(left))
		if !ok || !reflect.DeepEqual(got, tree) {
			t.Errorf("%q became %q", doc, left)
		}
	})
}
