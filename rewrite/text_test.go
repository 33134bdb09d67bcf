package rewrite_test

import (
	"bytes"
	"testing"

	"sealcar/rewrite"
)

// texts are strings of JSON with every kind of escape.
var texts = []string{
	`""`, `"a"`, `"你好"`, `"\n"`, `"a\tb\rc\bd\fe\"f\\g\/h"`, `"\u0000\u00e9\u4f60\uFFFD\uffff"`, `"\ud83e\uddad!\uD83E\uDDAD"`,
	`"\\u0041"`, `"\\\""`, `"end\\"`, `"\ud800\udc00\udbff\udfff"`,
}

// There is one text of a string, whichever way it is read.
func FuzzAppendText(f *testing.F) {
	for _, raw := range texts {
		f.Add([]byte(raw))
	}
	for _, bad := range []string{`"\ud800"`, `"\ud800\n"`, `"\udc00\ud800"`, `"\ud800\u0041"`, `"\"`, `"\u12"`, `"\u12g4"`, `"\x41"`, `"\u+123"`, `"\u1_23"`, `"\`, `""`} {
		f.Add([]byte(bad))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 2 {
			return
		}
		got, err := rewrite.AppendText([]byte("before "), raw) // must not panic, whatever raw is
		var value []byte
		scanErr := rewrite.Scan(raw, &rewrite.Shape{Name: "v"}, func(v rewrite.Value) error {
			if v.Kind == '"' {
				value = raw[v.Start:v.End]
			}
			return nil
		})
		if scanErr != nil || value == nil || len(value) != len(raw) {
			return // nothing that was scanned
		}
		want, unquoteErr := rewrite.Unquote([]byte("before "), raw)
		if err != nil || unquoteErr != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q is %q, %v; by Unquote %q, %v", raw, got, err, want, unquoteErr)
		}
		if text, ok := rewrite.Verbatim(raw); ok && string(text) != string(want[len("before "):]) {
			t.Fatalf("%q is %q in place", raw, text)
		}
	})
}

func TestAppendText_RefusesWhatCannotHaveBeenScanned(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{`"\"`, `"\x"`, `"\u12g4"`, `"\u+123"`, `"\ud800"`, `"\ud800\u12g4"`} {
		if got, err := rewrite.AppendText(nil, []byte(raw)); err == nil {
			t.Errorf("%s is %q", raw, got)
		}
	}
}
