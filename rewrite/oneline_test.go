package rewrite_test

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sealcar/rewrite"
)

// ends are what Python's str.splitlines takes for the end of a line.
var ends = []string{"\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\u0085", "\u2028", "\u2029"}

func TestHasBreak_AsPythonCutsLines(t *testing.T) {
	t.Parallel()
	for _, end := range ends[2:] {
		if !rewrite.HasBreak([]byte("a" + end + "data: {}")) {
			t.Errorf("%q is overlooked", end)
		}
	}
	for _, line := range []string{"", "data: {}", "é你\t\x00\x1f\x7f\u0084\u0086\u00a0\u2027\u202a\ufeff", "\x85\xe2\x80"} {
		if rewrite.HasBreak([]byte(line)) {
			t.Errorf("%q is one line", line)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{"a":"b\n"}`:                     `{"a":"b\n"}`,
		"{\n\"a\"\r\n:\r1}":               `{ "a"  : 1}`,
		"{\"x\u2028data: 1\":\"\u2029\"}": `{"x\u2028data: 1":"\u2029"}`,
		"\"\u0085\u0085é…\u2027\"":        `"\u0085\u0085é…` + "\u2027\"",
		`"\\` + "\u2028" + `\u2028"`:      `"\\\u2028\u2028"`,
	} {
		got, changed := rewrite.OneLine([]byte(doc))
		if string(got) != want || changed != (doc != want) {
			t.Errorf("%q became %q (changed: %t), want %q", doc, got, changed, want)
		}
	}
}

func TestOneLine_WithoutABreakNothingIsCopied(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"a":"é…"}`)
	if got, _ := rewrite.OneLine(doc); &got[0] != &doc[0] {
		t.Error("it was copied")
	}
}

// Every document is one line then, and says the same.
func FuzzOneLine(f *testing.F) {
	for _, end := range ends {
		f.Add([]byte("{" + end + `"a"` + end + `:"x` + end + `\\` + end + `"}`))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if rewrite.Scan(doc, nil, nil) != nil {
			return
		}
		line, _ := rewrite.OneLine(doc)
		if rewrite.HasBreak(line) || bytes.ContainsAny(line, "\r\n") {
			t.Errorf("%q became the lines %q", doc, line)
		}
		var before, after jsontext.Value
		if json.Unmarshal(doc, &before) != nil || json.Unmarshal(line, &after) != nil || before.Canonicalize() != nil || after.Canonicalize() != nil || string(before) != string(after) {
			t.Errorf("%q became %q", doc, line)
		}
	})
}
