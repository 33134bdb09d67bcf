package rewrite_test

import (
	"errors"
	"strings"
	"testing"

	"sealcar/rewrite"
)

const plenty = 1000

func TestTree_GivesEveryValueWithItsText(t *testing.T) {
	t.Parallel()
	root, err := rewrite.Tree([]byte(` {"a": [1.50, {"b\u0063" : "x\n"} , [ ] ], "d":null,"e":true} `), plenty)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(name string, n rewrite.Node)
	walk = func(name string, n rewrite.Node) {
		got = append(got, name+" "+string(n.Kind)+" "+string(n.Raw))
		for _, m := range n.Members {
			walk(name+"."+m.Name, m.Value)
		}
		for _, i := range n.Items {
			walk(name+"[]", i)
		}
	}
	walk("", root)
	want := []string{
		` { {"a": [1.50, {"b\u0063" : "x\n"} , [ ] ], "d":null,"e":true}`,
		`.a [ [1.50, {"b\u0063" : "x\n"} , [ ] ]`,
		`.a[] 0 1.50`,
		`.a[] { {"b\u0063" : "x\n"}`,
		`.a[].bc " "x\n"`,
		`.a[] [ [ ]`,
		`.d n null`,
		`.e t true`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestT55_TreeRefusesWhatScanRefuses(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"duplicate":         `{"a":1,"a":2}`,
		"escaped duplicate": `{"a":{"b":1,"\u0062":2}}`,
		"second document":   `{} {}`,
		"bad UTF-8":         "[\"\xff\"]",
		"lone surrogate":    `["\ud800"]`,
		"cut short":         `{"a":[1,`,
		"empty":             ` `,
		"deep":              strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		"no JSON":           `{a:1}`,
	} {
		_, err := rewrite.Tree([]byte(doc), 1_000_000)
		if _, ok := errors.AsType[*rewrite.SyntaxError](err); !ok {
			t.Errorf("%s: got %v, want a *SyntaxError", name, err)
		}
	}
}

func TestT56_TreeIsBounded(t *testing.T) {
	t.Parallel()
	doc := []byte(`[1,{"a":2}]`)
	if _, err := rewrite.Tree(doc, 4); err != nil {
		t.Errorf("four values: %v", err)
	}
	if _, err := rewrite.Tree(doc, 3); !errors.Is(err, rewrite.ErrTooManyValues) {
		t.Errorf("got %v, want ErrTooManyValues", err)
	}
}
