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
	root, err := rewrite.Tree([]byte(` {"a": [1.50, {"b\u0063" : "x\n"} , [ ] ], "d":null,"e":true} `), plenty, nil)
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
		_, err := rewrite.Tree([]byte(doc), 1_000_000, nil)
		if _, ok := errors.AsType[*rewrite.SyntaxError](err); !ok {
			t.Errorf("%s: got %v, want a *SyntaxError", name, err)
		}
	}
}

func TestT56_TreeIsBounded(t *testing.T) {
	t.Parallel()
	doc := []byte(`[1,{"a":2}]`)
	if _, err := rewrite.Tree(doc, 4, nil); err != nil {
		t.Errorf("four values: %v", err)
	}
	if _, err := rewrite.Tree(doc, 3, nil); !errors.Is(err, rewrite.ErrTooManyValues) {
		t.Errorf("got %v, want ErrTooManyValues", err)
	}
}

func TestT84_TreeAsksForRoomAsItGrows(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	for values, wantAsked := range map[int]int64{60: 0, 100: 128, 1000: 1024, 100_000: 131_072} {
		doc := []byte("[" + strings.Repeat("{},", values-2) + "{}]")
		var asked int64
		root, err := rewrite.Tree(doc, 1_000_000, func(n int64) error {
			asked = n
			return nil
		})
		if err != nil || len(root.Items) != values-1 || asked != 256*wantAsked {
			t.Errorf("%d values: asked for %d bytes (%v), want %d values' worth", values, asked, err, wantAsked)
		}
		_, err = rewrite.Tree(doc, 1_000_000, func(int64) error { return full })
		if errors.Is(err, full) != (wantAsked > 0) {
			t.Errorf("%d values: got %v when there is no room", values, err)
		}
	}
}
