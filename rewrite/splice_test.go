package rewrite_test

import (
	"errors"
	"strings"
	"testing"

	"sealcar/rewrite"
)

func upper(dst, value []byte) ([]byte, error) {
	return append(dst, strings.ToUpper(string(value))...), nil
}

func TestSplice_ReplacesSpansAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, src string
		spans     []rewrite.Span
		want      string
	}{
		{"none", "abc", nil, "abc"},
		{"empty document", "", nil, ""},
		{"all", "abc", []rewrite.Span{{0, 3}}, "ABC"},
		{"first and last", "abcde", []rewrite.Span{{0, 1}, {4, 5}}, "AbcdE"},
		{"touching", "abcde", []rewrite.Span{{1, 2}, {2, 4}}, "aBCDe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := rewrite.Splice([]byte("> "), []byte(test.src), test.spans, upper)
			if err != nil || string(got) != "> "+test.want {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestSplice_EmptySpanInserts(t *testing.T) {
	t.Parallel()
	insert := func(dst, value []byte) ([]byte, error) { return append(append(dst, '|'), value...), nil }
	got, err := rewrite.Splice(nil, []byte("ab"), []rewrite.Span{{0, 0}, {1, 1}, {2, 2}}, insert)
	if err != nil || string(got) != "|a|b|" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestSplice_RefusesSpansOutOfOrderOrRange(t *testing.T) {
	t.Parallel()
	for _, spans := range [][]rewrite.Span{
		{{-1, 1}},
		{{2, 1}},
		{{0, 4}},
		{{4, 4}},
		{{1, 3}, {2, 3}},
		{{2, 3}, {0, 1}},
	} {
		got, err := rewrite.Splice([]byte("kept"), []byte("abc"), spans, upper)
		if err == nil || string(got) != "kept" {
			t.Errorf("%v: got %s, %v", spans, got, err)
		}
	}
}

func TestSplice_ReturnsTheErrorOfFnAndNoPartOfTheDocument(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	got, err := rewrite.Splice([]byte("kept"), []byte("abc"), []rewrite.Span{{1, 2}}, func(dst, _ []byte) ([]byte, error) {
		return append(dst, "partial"...), stop
	})
	if err != stop || string(got) != "kept" { //nolint:errorlint // as it is
		t.Errorf("got %s, %v", got, err)
	}
}

func TestT56_NumbersArePreservedByteForByte(t *testing.T) {
	t.Parallel()
	doc := "{ \"seed\" :9007199254740993,\t\"top_p\":1.00,\"e\":-0.0E+00,\"big\":1e999,\r\n\"messages\":[{\"content\":\"hi\"}],\"é\\/\":\"\\u00e9\\/\"}\n"
	var spans []rewrite.Span
	err := rewrite.Scan([]byte(doc), chat(), func(v rewrite.Value) error {
		if v.Name == "content" {
			spans = append(spans, rewrite.Span{Start: v.Start, End: v.End})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := rewrite.Splice(nil, []byte(doc), spans, upper)
	if want := strings.Replace(doc, `"hi"`, `"HI"`, 1); err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ raw, want string }{
		{`""`, ""},
		{`"plain"`, "plain"},
		{`"é\u00e9\ud83d\ude00\n\t\"\\\/"`, "éé😀\n\t\"\\/"},
		{`"\u0000"`, "\x00"},
	} {
		got, err := rewrite.Unquote([]byte("> "), []byte(test.raw))
		if err != nil || string(got) != "> "+test.want {
			t.Errorf("Unquote(%s) = %q, %v", test.raw, got, err)
		}
	}
}

func TestUnquote_RefusesWhatIsNotOneStrictString(t *testing.T) {
	t.Parallel()
	const canary = "zebra"
	for _, raw := range []string{
		``, `"`, `x`, `null`, `"a" `, ` "a"`, `"a""b"`, `"\ud800"`, `"\ud800` + canary + `"`, `"\u` + canary + `"`,
		"\"" + canary + "\xff\"", "\"" + canary + "\n\"", `"` + canary, `"a"` + canary,
	} {
		got, err := rewrite.Unquote([]byte("kept"), []byte(raw))
		if _, ok := errors.AsType[*rewrite.SyntaxError](err); !ok || string(got) != "kept" {
			t.Errorf("Unquote(%q) = %q, %v; want a *SyntaxError", raw, got, err)
			continue
		}
		if strings.Contains(err.Error(), canary[:2]) {
			t.Errorf("Unquote(%q): %q shows a part of the string", raw, err)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"", `""`},
		{"plain <&> é😀\u2028", `"plain <&> é😀` + "\u2028" + `"`},
		{"\"\\/\n\r\t\b\f\x00\x1f\x7f", `"\"\\/\n\r\t\b\f\u0000\u001f` + "\x7f" + `"`},
	} {
		got, err := rewrite.Quote([]byte("> "), []byte(test.text))
		if err != nil || string(got) != "> "+test.want {
			t.Errorf("Quote(%q) = %s, %v; want %s", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"zebra\xff", "\xed\xa0\x80", "\xc0\xaf"} {
		got, err := rewrite.Quote([]byte("kept"), []byte(text))
		if err == nil || string(got) != "kept" || strings.Contains(err.Error(), "ze") {
			t.Errorf("Quote(%q) = %q, %v; want an error without the text", text, got, err)
		}
	}
}
