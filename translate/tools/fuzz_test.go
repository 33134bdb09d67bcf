package tools_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/rewrite"
	"sealcar/translate/tools"
)

// FuzzMove: whatever comes in, a chat is refused with a 400, or passes as it came,
// or becomes strict JSON in which nothing of tools is left.
func FuzzMove(f *testing.F) {
	for _, seed := range []string{
		chat,
		`{"messages":[],"tools":[` + weather + `],"tool_choice":"required","parallel_tool_calls":false}`,
		`{"tools":[` + weather + `],"messages":[{"role":"system","content":[{"type":"text","text":"a"}]}]}`,
		`{"messages":[{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}],"role":"assistant","function_call":null},{"role":"tool","tool_call_id":"a","content":"b"} , {"role":"tool","content":[{"type":"text","text":"c"}]}]}`,
		`{"functions":[{"name":"f"}],"function_call":{"name":"f"},"messages":[{"role":"function","name":"f","content":null}]}`,
		`{"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"function":{"name":"weather"}}]}},"tools":[` + weather + `],"messages":[{}]}`,
		`{"\u0074ools":[{"type":"function","function":{"n\u0061me":"a"}}],"messages":[{"role":"system"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		u := &upstream{mediaType: "application/json", reply: "{}"}
		_, err := send(t, u, body)
		if err != nil {
			if fault, ok := errors.AsType[*apierror.Error](err); !ok || fault.Status != http.StatusBadRequest || u.calls > 0 {
				t.Fatalf("%v after %d calls", err, u.calls)
			}
			return
		}
		if u.sent == body {
			return
		}
		if err := rewrite.Scan([]byte(u.sent), nil, nil); err != nil {
			t.Fatalf("%v\n%s\n%s", err, body, u.sent)
		}
		if again := moved(t, u.sent); again != u.sent {
			t.Errorf("there is more to move:\n%s\n%s", u.sent, again)
		}
		var top map[string]json.RawMessage
		if err := json.Unmarshal([]byte(u.sent), &top); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"} {
			if _, left := top[name]; left {
				t.Errorf("%s is left in %s", name, u.sent)
			}
		}
	})
}

// FuzzAnswer: a stream of any pieces gives what the whole text gives, and text
// without calls passes as it came.
func FuzzAnswer(f *testing.F) {
	for _, a := range answers {
		f.Add(a.content, uint64(0x5555))
		f.Add(a.content+rome, uint64(7))
	}
	f.Fuzz(func(t *testing.T, content string, cuts uint64) {
		content = strings.ToValidUTF8(content, "?")
		var pieces []string
		for i, start := 0, 0; i <= len(content); i++ {
			if cut := cuts>>(i%64)&1 == 1; i == len(content) || cut && (content[i]&0xc0) != 0x80 {
				pieces = append(pieces, content[start:i])
				start = i
			}
		}
		want, got := whole(t, content), streamed(t, pieces...)
		if got != want {
			t.Errorf("%q in pieces %q: got %q, want %q", content, pieces, got, want)
		}
		if want.calls == "" && (want.text != content || want.finish != "stop") {
			t.Errorf("%q became %q", content, want)
		}
	})
}

// A body that does not read strictly is passed on for the seal to refuse. So
// every name that a chat is searched for has to be one that the seal knows at
// the same place.
func TestWhatDoesNotReadIsRefusedBySeal(t *testing.T) {
	t.Parallel()
	const call = `{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}`
	const all = `{"model":"m","messages":[` +
		`{"role":"assistant","content":[{"type":"text","text":"a"}],"tool_calls":[` + call + `],"function_call":{"name":"f","arguments":"{}"}},` +
		`{"role":"tool","tool_call_id":"a","name":"f","content":"a"}],` +
		`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}},` +
		`"parallel_tool_calls":true,"functions":[{"name":"f"}],"function_call":null}`
	names := regexp.MustCompile(`"[a-z_]+":`).FindAllStringIndex(all, -1)
	if len(names) < 30 {
		t.Fatalf("the example has only %d names", len(names))
	}
	for _, at := range names {
		i := at[0] + 1
		misspelt := all[:i] + strings.ToUpper(all[i:i+1]) + all[i+1:]
		u := &upstream{}
		_, err := (&tools.Transport{Base: &ark.Transport{Base: u}, Applies: always}).RoundTrip(post(t, misspelt))
		fault, ok := errors.AsType[*apierror.Error](err)
		if !ok || fault.Code != "invalid_json" && fault.Code != "invalid_request" || u.calls > 0 {
			t.Errorf("%v for %s", err, misspelt)
		}
	}
}
