package rewrite_test

import (
	"testing"

	"sealcar/rewrite"
)

func TestElementTakesAPathApart(t *testing.T) {
	t.Parallel()
	type parts struct {
		i    int
		rest string
		ok   bool
	}
	for path, want := range map[string]parts{
		"messages[0]":                    {0, "", true},
		"messages[12].content[3].text":   {12, ".content[3].text", true},
		`messages[1]["a b"]`:             {1, `["a b"]`, true},
		"messages":                       {},
		"messages[":                      {},
		"messages[]":                     {},
		"messages[1":                     {},
		"messages[-1]":                   {},
		"messages[+1]":                   {},
		`messages["1"]`:                  {},
		"messages[99999999999999999999]": {},
		"messages2[1]":                   {},
		"a.messages[1]":                  {},
	} {
		i, rest, ok := rewrite.Element(path, "messages")
		if got := (parts{i, rest, ok}); ok != want.ok || ok && got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
}
