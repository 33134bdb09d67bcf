package rewrite_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"sealcar/rewrite"
)

// chat is a shape like those of the protocols: named fields, arrays of objects,
// one field that may be a string or an array.
func chat() *rewrite.Shape {
	return &rewrite.Shape{Name: "body", Fields: map[string]*rewrite.Shape{
		"model":  {Name: "model"},
		"stream": nil,
		"messages": {Name: "messages", Items: &rewrite.Shape{Name: "message", Fields: map[string]*rewrite.Shape{
			"content": {Name: "content", Items: &rewrite.Shape{Name: "part", Fields: map[string]*rewrite.Shape{
				"text": {Name: "text"},
			}}},
		}}},
	}}
}

// everything asks for every value at every depth.
func everything() *rewrite.Shape {
	s := &rewrite.Shape{Name: "v"}
	s.Items, s.Other = s, s
	return s
}

// report is a value as one comparable line: name, kind, path, and text for what
// has one.
func report(doc string, v rewrite.Value) string {
	return fmt.Sprintf("%s %c %s %s", v.Name, v.Kind, v.Path(), doc[v.Start:v.End])
}

func reports(t *testing.T, doc string, shape *rewrite.Shape) []string {
	t.Helper()
	var got []string
	err := rewrite.Scan([]byte(doc), shape, func(v rewrite.Value) error {
		got = append(got, report(doc, v))
		return nil
	})
	if err != nil {
		t.Fatalf("Scan(%s): %v", doc, err)
	}
	return got
}

func TestScan_ReportsWhatTheShapeAsksFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, doc string
		shape     *rewrite.Shape
		want      []string
	}{
		{
			"strings, parts and an escaped name",
			`{"model" : "m", "x":{"model":[1]}, "m\u0065ssages":[{"content":"hi"},` +
				`{"content":[{"type":"text","text":"\u00e9"}, {"text":""}]}]} ` + "\n",
			chat(),
			[]string{
				`body {  `, `model " model "m"`, `messages [ messages `, `message { messages[0] `,
				`content " messages[0].content "hi"`, `message } messages[0] {"content":"hi"}`,
				`message { messages[1] `, `content [ messages[1].content `,
				`part { messages[1].content[0] `, `text " messages[1].content[0].text "\u00e9"`,
				`part } messages[1].content[0] {"type":"text","text":"\u00e9"}`,
				`part { messages[1].content[1] `, `text " messages[1].content[1].text ""`,
				`part } messages[1].content[1] {"text":""}`,
				`content ] messages[1].content [{"type":"text","text":"\u00e9"}, {"text":""}]`,
				`message } messages[1] {"content":[{"type":"text","text":"\u00e9"}, {"text":""}]}`,
				`messages ] messages [{"content":"hi"},{"content":[{"type":"text","text":"\u00e9"}, {"text":""}]}]`,
				`body }  {"model" : "m", "x":{"model":[1]}, "m\u0065ssages":[{"content":"hi"},{"content":[{"type":"text","text":"\u00e9"}, {"text":""}]}]}`,
			},
		},
		{
			"other kinds than hoped for",
			`{"model":-1.50e+3,"stream":true,"messages":[null,false,"s",[true]]}`,
			chat(),
			[]string{
				`body {  `, `model 0 model -1.50e+3`, `messages [ messages `,
				`message n messages[0] null`, `message f messages[1] false`, `message " messages[2] "s"`,
				`message [ messages[3] `, `message ] messages[3] [true]`,
				`messages ] messages [null,false,"s",[true]]`,
				`body }  {"model":-1.50e+3,"stream":true,"messages":[null,false,"s",[true]]}`,
			},
		},
		{"an array where an object was hoped for", `[{"model":"m"}]`, chat(), []string{`body [  `, `body ]  [{"model":"m"}]`}},
		{"a scalar where an object was hoped for", ` "x" `, chat(), []string{`body "  "x"`}},
		{"a true", `true`, chat(), []string{`body t  true`}},
		{"a number at the end of the input", `12`, chat(), []string{`body 0  12`}},
		{"empty containers", `{"messages":[]}`, chat(), []string{`body {  `, `messages [ messages `, `messages ] messages []`, `body }  {"messages":[]}`}},
		{"nothing asked for", `{"model":"m"}`, nil, nil},
		{"nothing named", `{"model":"m","a":[1]}`, &rewrite.Shape{Other: &rewrite.Shape{}}, nil},
		{
			"a shape that holds itself, other members", `{"a":{"0":[["x"]]}}`, everything(),
			[]string{
				`v {  `, `v { a `, `v [ a["0"] `, `v [ a["0"][0] `, `v " a["0"][0][0] "x"`,
				`v ] a["0"][0] ["x"]`, `v ] a["0"] [["x"]]`, `v } a {"0":[["x"]]}`, `v }  {"a":{"0":[["x"]]}}`,
			},
		},
		{
			"known fields beside others", `{"a":1,"b":2}`,
			&rewrite.Shape{Fields: map[string]*rewrite.Shape{"a": {Name: "known"}}, Other: &rewrite.Shape{Name: "other"}},
			[]string{`known 0 a 1`, `other 0 b 2`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(reports(t, test.doc, test.shape), "\n")
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("reported:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestT55_FaultsAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, doc string
		path      string
		offset    int64
		reason    string
	}{
		{"empty", ``, "", 0, "empty document"},
		{"only white space", " \n", "", 2, "empty document"},
		{"byte order mark", "\ufeff{}", "", 0, "invalid character"},
		{"second document", `{} {"messages":[]}`, "", 3, "more data after the document"},
		{"trailing comma after the document", `{},`, "", 2, "more data after the document"},
		{"trailing NUL", "{}\x00", "", 2, "more data after the document"},
		{"trailing form feed", "{}\f", "", 2, "more data after the document"},
		{"cut off", `{"messages":[{"content":"x"`, "messages[0]", 27, "unexpected EOF"},
		{"cut off in a string", `{"model":"m`, "model", 11, "unexpected EOF"},
		{"duplicate name", `{"messages":[],"messages":[]}`, "messages", 15, "duplicate"},
		{"duplicate name, one escaped", `{"messages":[],"m\u0065ssages":[]}`, "messages", 15, "duplicate"},
		{"duplicate name, escaped first", `{"m\u0065ssages":[],"messages":[]}`, "messages", 20, "duplicate"},
		{"duplicate name below what is asked for", `{"tools":[{"a":{"x y":1,"x y":2}}]}`, `tools[0].a["x y"]`, 24, "duplicate"},
		{"duplicate empty name", `{"messages":[{"":1,"":2}]}`, `messages[0][""]`, 19, "duplicate"},
		{"known name in capitals", `{"a":1,"MODEL":"m"}`, "MODEL", 7, `differs from "model" only in case`},
		{"known name with a long s", `{"me\u017f\u017fages":[]}`, `["me\u017f\u017fages"]`, 1, `differs from "messages" only in case`},
		{"known name with a literal long s", `{"meſſages":[]}`, `["me\u017f\u017fages"]`, 1, `differs from "messages" only in case`},
		{"known name in a nil shape", `{"Stream":true}`, "Stream", 1, `differs from "stream" only in case`},
		{"known name of an element", `{"messages":[{"content":"x"},{"Content":"y"}]}`, "messages[1].Content", 30, `differs from "content" only in case`},
		{"high surrogate alone", `{"model":"\ud800"}`, "model", 10, "invalid"},
		{"low surrogate alone", `{"x":"\udc00 "}`, "x", 6, "invalid"},
		{"surrogates in the wrong order", `{"x":"\udc00\ud800"}`, "x", 6, "invalid"},
		{"surrogate in a name", `{"\ud800":1}`, "", 2, "invalid"},
		{"bad UTF-8 in a value", "{\"model\":\"\xff\"}", "model", 10, "invalid UTF-8"},
		{"bad UTF-8 in a name", "{\"\xc3(\":1}", "", 2, "invalid UTF-8"},
		{"encoded surrogate", "{\"model\":\"\xed\xa0\x80\"}", "model", 10, "invalid UTF-8"},
		{"overlong UTF-8", "{\"model\":\"\xc0\xaf\"}", "model", 10, "invalid UTF-8"},
		{"raw newline in a string", "{\"model\":\"\n\"}", "model", 10, "invalid character"},
		{"unknown escape", `{"model":"\x41"}`, "model", 10, "invalid escape sequence in string"},
		{"comment", `{/**/}`, "", 1, "invalid character"},
		{"single quotes", `{'model':1}`, "", 1, "invalid character"},
		{"trailing comma in an object", `{"model":1,}`, "", 10, "invalid character"},
		{"trailing comma in an array", `{"messages":[{},]}`, "messages", 15, "invalid character"},
		{"missing colon", `{"model" 1}`, "model", 9, "invalid character"},
		{"missing value", `{"model":}`, "model", 9, "invalid character"},
		{"missing comma", `{"messages":[{} {}]}`, "messages", 16, "invalid character"},
		{"wrong bracket", `{"messages":[}`, "messages[0]", 13, "invalid character"},
		{"bracket too many", `{}}`, "", 2, "more data after the document"},
		{"name that is no string", `{1:2}`, "", 1, "object member name must be a string"},
		{"name that is an object", `{{}:2}`, "", 1, "object member name must be a string"},
		{"leading zero", `{"model":01}`, "", 10, "invalid character"},
		{"NaN", `{"model":NaN}`, "model", 9, "invalid character"},
		{"bad literal", `{"model":nul}`, "model", 12, "invalid character"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := rewrite.Scan([]byte(test.doc), chat(), func(rewrite.Value) error { return nil })
			fault, ok := errors.AsType[*rewrite.SyntaxError](err)
			if !ok {
				t.Fatalf("got %v, want a *SyntaxError", err)
			}
			if fault.Path != test.path || fault.Offset != test.offset || !strings.Contains(fault.Reason, test.reason) {
				t.Errorf("got path %q, offset %d, reason %q; want %q, %d, …%s…",
					fault.Path, fault.Offset, fault.Reason, test.path, test.offset, test.reason)
			}
			if fault.Path != "" && !strings.Contains(err.Error(), fault.Path) {
				t.Errorf("%q does not name the path %s", err, fault.Path)
			}
		})
	}
}

func TestT55_KelvinSignIsFolded(t *testing.T) {
	t.Parallel()
	shape := &rewrite.Shape{Fields: map[string]*rewrite.Shape{"tokens": nil}}
	err := rewrite.Scan([]byte("{\"to\u212aens\":1}"), shape, nil)
	if _, ok := errors.AsType[*rewrite.SyntaxError](err); !ok {
		t.Errorf("got %v, want a *SyntaxError", err)
	}
}

func TestT55_NamesAreFoldedOnlyAgainstTheirOwnObjectsFields(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		`{"tools":[{"MODEL":1,"model":2,"Messages":3}]}`, // a schema of the application's
		`{"messages":[{"MODEL":1}]}`,
		`{"MODE":1,"modell":2,"Tools":3,"TOOLS":4}`,
	} {
		if err := rewrite.Scan([]byte(doc), chat(), func(rewrite.Value) error { return nil }); err != nil {
			t.Errorf("Scan(%s): %v", doc, err)
		}
	}
}

func TestScan_EarlyEndIsUnexpectedEOF(t *testing.T) {
	t.Parallel()
	doc := `{"messages":[{"content":"x"}],"n":1}`
	for n := range len(doc) {
		err := rewrite.Scan([]byte(doc[:n]), chat(), func(rewrite.Value) error { return nil })
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Scan(%s): %v, want io.ErrUnexpectedEOF in its chain", doc[:n], err)
		}
		if errors.Is(err, io.EOF) {
			t.Errorf("Scan(%s): %v looks like a clean end", doc[:n], err)
		}
	}
}

func TestScan_CallbackErrorEndsItAndIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for _, last := range []string{"body {", "model \"", "messages [", "message {", "messages ]", "body }"} {
		calls := 0
		doc := `{"model":"m","messages":[{}]}`
		err := rewrite.Scan([]byte(doc), chat(), func(v rewrite.Value) error {
			calls++
			if strings.HasPrefix(report(doc, v), last) {
				return stop
			}
			return nil
		})
		if err != stop { //nolint:errorlint // as it is
			t.Errorf("at %s: got %v", last, err)
		}
		if all := len(reports(t, doc, chat())); last != "body }" && calls >= all {
			t.Errorf("at %s: the scan went on", last)
		}
	}
}

func TestT63_FaultsHoldNoPartOfAString(t *testing.T) {
	t.Parallel()
	const canary = "zebra"
	for _, doc := range []string{
		`{"model":"\ud800` + canary + `"}`,
		`{"model":"\ud800\` + canary + `"}`,
		`{"model":"\u` + canary + `"}`,
		`{"model":"\` + canary + `"}`,
		`{"model":"` + canary + "\xff" + canary + `"}`,
		`{"model":"` + canary + "\x01" + canary + `"}`,
		`{"model":"` + canary + `" "` + canary + `"}`,
		`{"model":"` + canary,
		`{"model":"m"} "` + canary + `"`,
	} {
		err := rewrite.Scan([]byte(doc), chat(), func(rewrite.Value) error { return nil })
		if err == nil {
			t.Fatalf("Scan(%s) took it", doc)
		}
		for n := 2; n <= len(canary); n++ {
			if strings.Contains(err.Error(), canary[:n]) {
				t.Errorf("Scan(%s): %q shows %q", doc, err, canary[:n])
			}
		}
	}
}

func TestScan_PathsAreReadableAndBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	deep := strings.Repeat(`{"step":`, 5000) + `"x"` + strings.Repeat(`}`, 5000)
	for _, test := range []struct{ doc, want string }{
		{`{"a-b_9":"x"}`, `a-b_9`},
		{`{"9a":"x"}`, `["9a"]`},
		{`{"a.b":["x"]}`, `["a.b"][0]`},
		{`{"a/~1":"x"}`, `["a/~1"]`},
		{`{"":"x"}`, `[""]`},
		{"{\"\\r\\n\\u001b[31m\u202e\":\"x\"}", `["\r\n\x1b[31m\u202e"]`},
		{`{"` + long + `":"x"}`, `["` + long[:64] + `\u2026"]`},
		{deep, strings.Repeat("step.", 51) + "step…"},
	} {
		var got string
		err := rewrite.Scan([]byte(test.doc), everything(), func(v rewrite.Value) error {
			if v.Kind == '"' {
				got = v.Path()
			}
			return nil
		})
		if err != nil || got != test.want {
			t.Errorf("got %s, %v; want %s", got, err, test.want)
		}
	}
	if got := (rewrite.Value{}).Path(); got != "" {
		t.Errorf("the zero Value has the path %q", got)
	}
}

func nested(depth int) []byte {
	return []byte(strings.Repeat(`[`, depth) + strings.Repeat(`]`, depth))
}

func TestT56_Depth(t *testing.T) {
	t.Parallel()
	for name, shape := range map[string]*rewrite.Shape{"asked for": everything(), "not asked for": nil} {
		if err := rewrite.Scan(nested(10_000), shape, func(rewrite.Value) error { return nil }); err != nil {
			t.Errorf("%s, depth 10,000: %v", name, err)
		}
		for _, depth := range []int{10_001, 1_000_000} {
			err := rewrite.Scan(nested(depth), shape, func(rewrite.Value) error { return nil })
			fault, ok := errors.AsType[*rewrite.SyntaxError](err)
			if !ok || !strings.Contains(fault.Reason, "depth") {
				t.Errorf("%s, depth %d: got %v, want a fault that names the depth", name, depth, err)
			}
		}
	}
}

func TestT56_AMillionElementsAndMembers(t *testing.T) {
	t.Parallel()
	const n = 1_000_000
	messages := `{"messages":[` + strings.TrimSuffix(strings.Repeat(`{"content":"x"},`, n), ",") + `]}`
	count := 0
	err := rewrite.Scan([]byte(messages), chat(), func(v rewrite.Value) error {
		if v.Name == "content" {
			count++
		}
		return nil
	})
	if err != nil || count != n {
		t.Errorf("%d contents, %v; want %d", count, err, n)
	}

	var members bytes.Buffer
	members.WriteString(`{"model":"m"`)
	for i := range n {
		fmt.Fprintf(&members, `,"k%d":0`, i)
	}
	if err := rewrite.Scan(append(members.Bytes(), '}'), chat(), func(rewrite.Value) error { return nil }); err != nil {
		t.Errorf("a million members: %v", err)
	}
	members.WriteString(`,"k0":0}`)
	err = rewrite.Scan(members.Bytes(), chat(), func(rewrite.Value) error { return nil })
	if !errors.Is(err, jsontext.ErrDuplicateName) {
		t.Errorf("the first of a million members again: got %v", err)
	}
}

func TestScanner_IsReusableAfterAnything(t *testing.T) {
	t.Parallel()
	var s rewrite.Scanner
	stop := errors.New("stop")
	for range 3 {
		for _, doc := range []string{`{"model":"m"}`, `{"model":"m","model":1}`, `{"model":`, ``, `{}{}`, string(nested(10_001))} {
			got := s.Scan([]byte(doc), chat(), func(rewrite.Value) error { return nil })
			want := new(rewrite.Scanner).Scan([]byte(doc), chat(), func(rewrite.Value) error { return nil })
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%.30s: a used Scanner says %v, a fresh one %v", doc, got, want)
			}
		}
		if err := s.Scan([]byte(`{"model":1}`), chat(), func(rewrite.Value) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	}
}

func TestScanner_DoesNotAllocateForADocument(t *testing.T) {
	// Not parallel: allocations are counted for the whole process.
	doc, shape := chatDocument(1<<10), chat()
	var s rewrite.Scanner
	allocs := testing.AllocsPerRun(100, func() {
		if err := s.Scan(doc, shape, func(rewrite.Value) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a document", allocs)
	}
}

// chatDocument is a request of about size bytes with one long content.
func chatDocument(size int) []byte {
	const head = `{"model":"doubao-seed-1-6","stream":true,"messages":[{"role":"system","content":"You are a helpful assistant."},` +
		`{"role":"user","content":"`
	const tail = `"}],"max_tokens":1024,"temperature":0.70,"seed":9007199254740993,"metadata":{"trace":"a-1"}}`
	const sentence = `The quick brown fox says \"hello\" to caf\u00e9 owners.\n`
	n := max(1, (size-len(head)-len(tail))/len(sentence))
	return []byte(head + strings.Repeat(sentence, n) + tail)
}
