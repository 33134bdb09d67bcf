package ark_test

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/exchange"
)

// canary is content: no enumeration or identifier has a space.
const canary = "canary 7319"

const finished = `{"choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"stop"}]}`

// chatWith is a chat with further members at its top level, in its message, or
// parts in the content of its message.
func chatWith(members string) string {
	return `{"model":"ep-1","messages":[{"role":"user","content":"` + canary + `"}],` + members + `}`
}

func messageWith(members string) string {
	return `{"model":"ep-1","messages":[{"role":"assistant","content":"` + canary + `",` + members + `}]}`
}

func contentOf(parts string) string {
	return `{"model":"ep-1","messages":[{"role":"user","content":[` + parts + `]}]}`
}

// newPolicy makes a policy that must be right.
func newPolicy(t testing.TB, o ark.PolicyOptions) *ark.Policy {
	t.Helper()
	p, err := ark.NewPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What becomes of a request by each mode, in the order refuse, default, report,
// unsafe_allow.
const (
	passes   = "----" // it is no residue
	known    = "xrrr" // refused, or reported
	foreign  = "xxrr"
	contents = "xxxr"
	never    = "xxxx"
)

func modes() []ark.Mode {
	return []ark.Mode{ark.ModeRefuse, ark.ModeDefault, ark.ModeReport, ark.ModeUnsafeAllow}
}

func TestT26_EachParameterInEachMode(t *testing.T) {
	t.Parallel()
	const part = "messages[0].content[0]"
	tests := []struct{ name, body, want, path string }{
		{"nothing else", chatWith(`"temperature":0.5,"stop":null,"n":1,"logprobs":false`), passes, ""},
		{"every structural kind", chatWith(`"service_tier":"auto","thinking":{"type":"disabled"},"stream_options":{"include_usage":true},"modalities":["text"],"tool_choice":"auto"`), passes, ""},
		{"empty residue", chatWith(`"tools":[],"stop":[ ],"user":"","metadata":{}`), passes, ""},
		{"user", chatWith(`"user":"leak leak"`), known, "user"},
		{"user as a number", chatWith(`"user":7`), known, "user"},
		{"metadata", chatWith(`"metadata":{"a":"leak leak"}`), known, "metadata"},
		{"stop", chatWith(`"stop":["leak leak"]`), known, "stop"},
		{"logit_bias", chatWith(`"logit_bias":{"50256":-100}`), known, "logit_bias"},
		{"tool name", chatWith(`"tools":[{"type":"function","function":{"name":"leak"}}]`), known, "tools[0].function.name"},
		{"tool description", chatWith(`"tools":[{"type":"function","function":{"description":"leak leak"}}]`), known, "tools[0].function.description"},
		{"tool schema", chatWith(`"tools":[{"type":"function","function":{"parameters":{"type":"object","properties":{"leak":{}}}}}]`), known, "tools[0].function.parameters"},
		{"chosen tool", chatWith(`"tool_choice":{"type":"function","function":{"name":"leak"}}`), known, "tool_choice.function.name"},
		{"schema of the answer", chatWith(`"response_format":{"type":"json_schema","json_schema":{"schema":{"leak":1}}}`), known, "response_format.json_schema.schema"},
		{"place of a search", chatWith(`"web_search_options":{"user_location":{"type":"approximate","approximate":{"city":"Leak"}}}`), known, "web_search_options.user_location.approximate.city"},
		{"name of a speaker", messageWith(`"name":"leak"`), known, "messages[0].name"},
		{"tool arguments in the history", messageWith(`"tool_calls":[{"id":"call_1","type":"function","function":{"arguments":"{\"leak\":1}"}}]`), known, "messages[0].tool_calls[0].function.arguments"},
		{"reasoning in the history", messageWith(`"reasoning_content":"leak leak"`), known, "messages[0].reasoning_content"},
		{"refusal in the history", messageWith(`"refusal":"leak leak"`), known, "messages[0].refusal"},
		{"encrypted content, which anything may look like", messageWith(`"encrypted_content":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`), known, "messages[0].encrypted_content"},
		{"encrypted content that is not", messageWith(`"encrypted_content":"leak leak leak leak leak leak"`), known, "messages[0].encrypted_content"},

		{"unknown string", chatWith(`"prompt":"leak"`), foreign, "prompt"},
		{"unknown list", chatWith(`"documents":["leak"]`), foreign, "documents"},
		{"unknown object", chatWith(`"extra":{"a":1}`), foreign, "extra"},
		{"unknown number, boolean and null", chatWith(`"top_k":40,"do_sample":true,"x":null`), passes, ""},
		{"number or boolean for a container", chatWith(`"tools":0,"thinking":false,"audio":null`), passes, ""},
		{"unknown empty string", chatWith(`"x":""`), passes, ""},
		{"unknown name that is text", chatWith(`"leak leak":1`), foreign, `["leak leak"]`},
		{"unknown member of a tool", chatWith(`"tools":[{"type":"function","leak":"leak"}]`), foreign, "tools[0].leak"},
		{"unknown member of an option", chatWith(`"stream_options":{"leak":"leak"}`), foreign, "stream_options.leak"},
		{"a sentence as an enumeration", chatWith(`"service_tier":"` + canary + `"`), foreign, "service_tier"},
		{"an escape in an enumeration", chatWith(`"service_tier":"\u0020"`), foreign, "service_tier"},
		{"a very long word", chatWith(`"service_tier":"` + strings.Repeat("a", 129) + `"`), foreign, "service_tier"},
		{"text for a number", chatWith(`"max_tokens":"leak"`), foreign, "max_tokens"},
		{"an object for a number", chatWith(`"n":{"leak":"leak"}`), foreign, "n"},
		{"text for a list", chatWith(`"tools":"leak"`), foreign, "tools"},
		{"an object for a list", chatWith(`"tools":{"leak":"leak"}`), foreign, "tools.leak"},
		{"a list for an object", chatWith(`"response_format":["leak"]`), foreign, "response_format[0]"},
		{"a list in a list", chatWith(`"tools":[["leak"]]`), foreign, "tools[0][0]"},
		{"a list for a choice", chatWith(`"tool_choice":["leak"]`), foreign, "tool_choice[0]"},

		{"unknown string in a message", messageWith(`"thinking_blocks":"leak"`), contents, "messages[0].thinking_blocks"},
		{"a sentence as a role", `{"model":"m","messages":[{"role":"leak leak","content":"x"}]}`, contents, "messages[0].role"},
		{"an object as a role", `{"model":"m","messages":[{"role":{"leak":1},"content":"x"}]}`, contents, "messages[0].role"},
		{"prediction", chatWith(`"prediction":{"type":"content","content":"leak leak"}`), contents, "prediction.content"},
		{"linked image", contentOf(`{"type":"image_url","image_url":{"url":"https://leak.example/a.png","detail":"low"}}`), contents, part + ".image_url.url"},
		{"linked image, escaped", contentOf(`{"type":"image_url","image_url":{"url":"\u0068ttps://leak.example/a.png"}}`), contents, part + ".image_url.url"},
		{"image in a file", contentOf(`{"type":"image_url","image_url":{"url":"file:///leak"}}`), never, part + ".image_url.url"},
		{"bare image", contentOf(`{"type":"image_url","image_url":{"url":"iVBORw0KGgo="}}`), never, part + ".image_url.url"},
		{"data: image", contentOf(`{"type":"image_url","image_url":{"url":"data:leak leak","detail":"low"}}`), passes, ""},
		{"data: image, escaped", contentOf(`{"type":"image_url","image_url":{"url":"\u0064ata:leak leak"}}`), passes, ""},
		{"data: image in capitals", contentOf(`{"type":"image_url","image_url":{"url":"DATA:leak leak"}}`), passes, ""},
		{"video", contentOf(`{"type":"video_url","video_url":{"url":"data:leak","fps":2}}`), contents, part + ".video_url.url"},
		{"audio", contentOf(`{"type":"input_audio","input_audio":{"data":"leak","format":"wav"}}`), contents, part + ".input_audio.data"},
		{"file", contentOf(`{"type":"file","file":{"file_data":"leak"}}`), contents, part + ".file.file_data"},
		{"refusal part", contentOf(`{"type":"refusal","refusal":"leak leak"}`), contents, part + ".refusal"},
		{"unknown type", contentOf(`{"type":"tool_result"}`), contents, part},
		{"no type", contentOf(`{"text":"` + canary + `"}`), contents, part},
		{"unknown string in a part", contentOf(`{"type":"text","text":"` + canary + `","leak":"leak"}`), contents, part + ".leak"},
		{"unknown number in a part", contentOf(`{"type":"text","text":"` + canary + `","x":1}`), passes, ""},
		{"cache control", contentOf(`{"type":"text","text":"` + canary + `","cache_control":{"type":"ephemeral","ttl":"5m"}}`), passes, ""},
		{"more in cache control", contentOf(`{"type":"text","text":"` + canary + `","cache_control":{"type":"ephemeral","leak":"leak"}}`), contents, part + ".cache_control.leak"},
		{"a sentence in cache control", contentOf(`{"type":"text","text":"` + canary + `","cache_control":{"type":"leak leak"}}`), contents, part + ".cache_control.type"},
		{"switches of the template", chatWith(`"chat_template_kwargs":{"enable_thinking":false,"thinking":true,"reasoning_effort":"low","other":1}`), passes, ""},
		{"text for the template", chatWith(`"chat_template_kwargs":{"enable_thinking":false,"leak":"leak"}`), foreign, "chat_template_kwargs.leak"},
		{"text for a switch", chatWith(`"chat_template_kwargs":{"enable_thinking":"leak"}`), foreign, "chat_template_kwargs.enable_thinking"},
		{"a list in the template", chatWith(`"chat_template_kwargs":{"documents":["leak"]}`), foreign, "chat_template_kwargs.documents"},
		{"options", chatWith(`"options":{"num_ctx":8192,"temperature":0.5,"mirostat":1},"keep_alive":"5m"`), passes, ""},
		{"text in options", chatWith(`"options":{"leak":"leak"}`), foreign, "options.leak"},
		{"tokens that stop", chatWith(`"stop_token_ids":[151645]`), known, "stop_token_ids"},
		{"what was thought before", `{"model":"m","messages":[{"role":"assistant","content":"x","reasoning":"leak"}]}`, known, "messages[0].reasoning"},
		{"details of it", `{"model":"m","messages":[{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.text","text":"leak"}]}]}`, known, "messages[0].reasoning_details"},
	}
	e := newEndpoint(t)
	up := newRecorder(t, respond("application/json", finished))
	for _, test := range tests {
		for i, mode := range modes() {
			t.Run(fmt.Sprintf("%s, %q", test.name, mode), func(t *testing.T) {
				t.Parallel()
				req, record := post(t, up.URL, chatPath, test.body)
				resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e, Policy: newPolicy(t, ark.PolicyOptions{Mode: mode})}).RoundTrip(req)
				if test.want[i] == 'x' {
					code := "unsealable_field"
					if test.want == contents || test.want == never {
						code = "unsealable_content"
					}
					wantCode(t, err, 400, code, test.path)
					if record.Treatment != exchange.Refused {
						t.Errorf("treatment %q", record.Treatment)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				var want []string
				if test.want[i] == 'r' {
					want = []string{strings.ReplaceAll(test.path, `"leak leak"`, "?")}
				}
				if !reflect.DeepEqual(record.Residue, want) || record.ResidueCount != len(want) {
					t.Errorf("reported %q, %d of them; want %q", record.Residue, record.ResidueCount, want)
				}
				if got := resp.Header.Get("X-Sealcar-Plaintext"); got != strings.Join(want, ", ") {
					t.Errorf("header %q, want %q", got, want)
				}
				if isUnsafe := test.want == contents; record.UnsafeResidue != isUnsafe {
					t.Errorf("unsafe: %t, want %t", record.UnsafeResidue, isUnsafe)
				}
			})
		}
	}
	t.Cleanup(func() {
		for _, r := range up.requests() {
			if strings.Contains(r.body, canary) && !strings.Contains(r.body, "service_tier") { // which was allowed to hold it
				t.Errorf("the canary crossed the wire: %s", r.body)
			}
		}
	})
}

func TestExceptionsAreModesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const (
		twoTools = `"tools":[{"function":{"name":"a","description":"b"}},{"function":{"name":"c","description":"d"}}]`
		video    = `{"type":"video_url","video_url":{"url":"https://leak.example/"}}`
	)
	except := func(pairs ...string) (list []ark.Exception) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, ark.Exception{Path: pairs[i], Mode: ark.Mode(pairs[i+1])})
		}
		return list
	}
	tests := []struct {
		name, body  string
		mode        ark.Mode
		exceptions  []ark.Exception
		refused     string // the path at fault
		wantResidue []string
	}{
		{"one place refused", chatWith(twoTools), ark.ModeDefault, except("tools[*].function.description", "refuse"), "tools[0].function.description", nil},
		{"one index refused", chatWith(twoTools), ark.ModeDefault, except("tools[1]", "refuse"), "tools[1].function.name", nil},
		{"another index refused", chatWith(twoTools), ark.ModeDefault, except("tools[2]", "refuse", "tools[10]", "refuse"), "", []string{"tools[0].function.name", "tools[0].function.description", "tools[1].function.name", "tools[1].function.description"}},
		{"names only", chatWith(twoTools), ark.ModeRefuse, except("tools[*].function.name", "report"), "tools[0].function.description", nil},
		{"all of the tools", chatWith(twoTools), ark.ModeRefuse, except("tools", "report"), "", []string{"tools[0].function.name", "tools[0].function.description", "tools[1].function.name", "tools[1].function.description"}},
		{"the first counts", chatWith(twoTools), ark.ModeRefuse, except("tools[*].function.name", "refuse", "tools", "report"), "tools[0].function.name", nil},
		{"a beginning is no place", chatWith(`"user":"u"`), ark.ModeRefuse, except("use", "report", "user_x", "report"), "user", nil},
		{"an unknown parameter", chatWith(`"guided_json":{"a":1},"other":"x"`), ark.ModeDefault, except("guided_json", "report"), "other", nil},
		{"content needs more than report", contentOf(video), ark.ModeDefault, except("messages[*].content[*].video_url.url", "report"), "messages[0].content[0].video_url.url", nil},
		{"content", contentOf(video), ark.ModeRefuse, except("messages[*].content[*].video_url", "unsafe_allow"), "", []string{"messages[0].content[0].video_url.url"}},
		{"default within unsafe_allow", contentOf(video), ark.ModeUnsafeAllow, except("messages", ""), "messages[0].content[0].video_url.url", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, respond("application/json", finished))
			policy := newPolicy(t, ark.PolicyOptions{Mode: test.mode, Exceptions: test.exceptions})
			req, record := post(t, up.URL, chatPath, test.body)
			_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Policy: policy}, req)
			if test.refused != "" {
				wantCode(t, err, 400, "*", test.refused)
				if n := len(up.requests()); n != 0 {
					t.Errorf("the upstream saw %d requests", n)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(record.Residue, test.wantResidue) {
				t.Errorf("reported %q, %v; want %q", record.Residue, err, test.wantResidue)
			}
		})
	}
}

func TestPoliciesThatMakeNoSenseAreNotMade(t *testing.T) {
	t.Parallel()
	for _, o := range []ark.PolicyOptions{
		{Mode: "allow"},
		{Mode: "default"},
		{Exceptions: []ark.Exception{{Path: "tools", Mode: "allow"}}},
		{Exceptions: []ark.Exception{{Path: ""}}},
		{Exceptions: []ark.Exception{{Path: "tools[]"}}},
		{Exceptions: []ark.Exception{{Path: "tools*"}}},
		{Exceptions: []ark.Exception{{Path: "tools..name"}}},
		{Exceptions: []ark.Exception{{Path: "model"}}},
		{Exceptions: []ark.Exception{{Path: "messages[*].content[*].text"}}},
		{Exceptions: []ark.Exception{{Path: "messages[*].content[0].type"}}},
		{Exceptions: []ark.Exception{{Path: "metadata.user_id"}}},                        // metadata is judged as a whole
		{Exceptions: []ark.Exception{{Path: "tools[*].function.parameters.properties"}}}, // and so is a schema,
		{Exceptions: []ark.Exception{{Path: "tools.function.name"}}},                     // and what is in no table
		{Exceptions: []ark.Exception{{Path: "guided[0]"}}},
		{Exceptions: []ark.Exception{{Path: "Tools[*].function.name"}}},
		{Exceptions: []ark.Exception{{Path: "tools[*].Function"}}},
		{Exceptions: []ark.Exception{{Path: "user"}}, Strip: []string{"user"}},
		{Exceptions: []ark.Exception{{Path: "tools"}, {Path: "tools[*].function.description", Mode: ark.ModeRefuse}}},
		{Exceptions: []ark.Exception{{Path: "tools[*].function"}, {Path: "tools[3].function.name"}}},
		{Strip: []string{"messages"}},
		{Strip: []string{"Model"}},
		{Strip: []string{"User"}},
		{Strip: []string{"foreign", "Foreign"}},
		{Strip: []string{"model"}},
		{Strip: []string{"stream"}},
		{Strip: []string{"a.b"}},
		{Strip: []string{""}},
	} {
		if _, err := ark.NewPolicy(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestExceptionsThatHardlyCountAreDoubted(t *testing.T) {
	t.Parallel()
	for path, doubted := range map[string]string{
		"tools":                               "",
		"tools[2].function.description":       "",
		"tool_choice":                         "",
		"messages":                            "",
		"messages[*].content":                 "",
		"messages[*].content[*]":              "",
		"messages[*].content[*].image_url":    "",
		"messages[*].content[*].video_url":    "",
		"stream_options":                      "",
		"?user":                               "",
		"temperature":                         "structural",
		"messages[*].role":                    "structural",
		"guided_json":                         "no such name",
		"tool":                                "no such name",
		"tools.function":                      "no such name",
		"tools[*].funtion":                    "no such name",
		"messages[*].contents":                "no such name",
		"messages[*].content[*].audio_url":    "no such name",
		"messages[*].tool_calls[*][0]":        "no such name",
		"response_format.json_schema.schemas": "no such name",
	} {
		p := newPolicy(t, ark.PolicyOptions{Exceptions: []ark.Exception{{Path: path, Mode: ark.ModeReport}}})
		doubts := strings.Join(p.Doubts(), "\n")
		if (doubts == "") != (doubted == "") || !strings.Contains(doubts, doubted) || doubted != "" && !strings.Contains(doubts, strconv.Quote(path)) {
			t.Errorf("%s: %q, want %q", path, doubts, doubted)
		}
	}
	p := newPolicy(t, ark.PolicyOptions{Exceptions: []ark.Exception{
		{Path: "tools[1].function", Mode: ark.ModeRefuse}, {Path: "tools[*].function.name", Mode: ark.ModeReport}, {Path: "tools", Mode: ark.ModeRefuse}, {Path: "tool_choice", Mode: ark.ModeRefuse},
	}})
	if len(p.Doubts()) != 0 {
		t.Errorf("the particular before the general: %q", p.Doubts())
	}
}

func TestStripTakesOutTopLevelMembersAndNothingElse(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"none there", `{"model":"m","messages":[{"role":"user","content":"«hi»"}]}`, `{"model":"m","messages":[{"role":"user","content":"«hi»"}]}`},
		{"one", `{"model":"m", "user":"leak", "messages":[{"content":"«hi»","role":"user"}],"n":1.0}`, `{"model":"m",  "messages":[{"content":"«hi»","role":"user"}],"n":1.0}`},
		{"before, between and behind", `{"user":"leak","model":"m","foreign":["leak"],"messages":[{"role":"user","content":"«a»"},{"role":"user","content":"«b»"}],"metadata":{"leak":"leak"}}`, `{"model":"m","messages":[{"role":"user","content":"«a»"},{"role":"user","content":"«b»"}]}`},
		{"below the top level it stays", `{"model":"m","user":1,"messages":[{"role":"user","content":"«a»","metadata":7}]}`, `{"model":"m","messages":[{"role":"user","content":"«a»","metadata":7}]}`},
		{"an escaped name", `{"model":"m","\u0075ser":"leak","messages":[{"role":"user","content":"«hi»"}]}`, `{"model":"m","messages":[{"role":"user","content":"«hi»"}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, respond("application/json", finished))
			policy := newPolicy(t, ark.PolicyOptions{Mode: ark.ModeRefuse, Strip: []string{"user", "metadata", "foreign"}})
			req, record := post(t, up.URL, chatPath, strings.NewReplacer("«", "", "»", "").Replace(test.body))
			if _, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Policy: policy}, req); err != nil {
				t.Fatal(err)
			}
			seen := up.only(t)
			session, err := ark.AcceptSession(e.key, seen.header.Get("X-Session-Token"))
			if err != nil {
				t.Fatal(err)
			}
			want, _ := sealMarked(session, test.want)
			if seen.body != want || record.ResidueCount != 0 {
				t.Errorf("upstream got\n%s\nwant\n%s\nreported %q", seen.body, want, record.Residue)
			}
		})
	}
}

// A member that would be stripped is read as strictly as any other.
func TestT55_StrippedMembersHideNothing(t *testing.T) {
	t.Parallel()
	for _, members := range []string{`"user":"a","user":"b"`, `"user":"a","User":"leak"`, `"user":{"a":1,"a":2}`} {
		up := newRecorder(t, respond("application/json", finished))
		policy := newPolicy(t, ark.PolicyOptions{Strip: []string{"user"}})
		req, _ := post(t, up.URL, chatPath, chatWith(members))
		_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: newEndpoint(t), Policy: policy}, req)
		wantCode(t, err, 400, "invalid_json", "*")
	}
}

func TestWhatTheAppSealedIsJudgedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	session, err := ark.NewSession(e.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed := `"` + string(session.Seal(nil, []byte("hi"))) + `"`
	linked := `[{"type":"image_url","image_url":{"url":"https://leak.example/"}}]`
	tests := []struct {
		name, content, members string
		mode                   ark.Mode
		code                   string
		residue                []string
	}{
		{"known", sealed, `"user":"u","tools":[]`, ark.ModeDefault, "", []string{"user"}},
		{"known, refused", sealed, `"user":"u"`, ark.ModeRefuse, "unsealable_field", nil},
		{"unknown", sealed, `"prompt":"leak"`, ark.ModeDefault, "unsealable_field", nil},
		{"linked image", linked, `"n":1`, ark.ModeDefault, "content_not_sealed", nil},
		{"linked image, allowed", linked, `"n":1`, ark.ModeUnsafeAllow, "", []string{"messages[0].content[0].image_url.url"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newRecorder(t, respond("application/json", finished))
			body := `{"model":"m","messages":[{"role":"user","content":` + test.content + `}],` + test.members + `}`
			req, record := post(t, up.URL, chatPath, body)
			req.Header.Set("X-Session-Token", session.Token())
			req.Header.Set("X-Is-Encrypted", "true")
			policy := newPolicy(t, ark.PolicyOptions{Mode: test.mode, Strip: []string{"user"}})
			_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Policy: policy}, req)
			if test.code != "" {
				wantCode(t, err, 400, test.code, "*")
				return
			}
			if err != nil || up.only(t).body != body || !reflect.DeepEqual(record.Residue, test.residue) {
				t.Errorf("%v, sent %s, reported %q", err, up.only(t).body, record.Residue)
			}
		})
	}
}

func TestReportsAreBoundedAndOurs(t *testing.T) {
	t.Parallel()
	spoof := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Sealcar-Plaintext", "nothing, believe me")
		w.Header().Set("X-Sealcar-Reply-Plaintext", "nothing, believe me")
		respond("application/json", finished).ServeHTTP(w, r)
	})
	names := func(n int, name string) string {
		return `{"model":"m","messages":[` + strings.Repeat(`{"role":"user","content":"x","name":"`+name+`"},`, n) + `{"role":"user","content":"x"}]}`
	}
	long := strings.Repeat("n", 60)
	tests := []struct{ name, body, pattern string }{
		{"none", names(0, ""), `^$`},
		{"two", names(2, "a"), `^messages\[0\]\.name, messages\[1\]\.name$`},
		{"many", names(1000, "a"), `^messages\[0\]\.name, .*, messages\[31\]\.name, \+968 more$`},
		{"long", chatWith(`"` + long + `1":"x","` + long + `2":"x"` + strings.Repeat(`,"`+long+long+`":"x"`, 1)), `^n{60}1, n{60}2, \[\?\]$`},
		{"too long for a header", chatWith(strings.TrimSuffix(strings.Repeat(`"`+long+`#":"x",`, 40), ",")), `^(n{60}\d+, ){15,16}\+2[45] more$`},
		{"names that are text", chatWith(`"leak\r\nX: y":"x","leak, leak":"x"`), `^\[\?\], \[\?\]$`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newRecorder(t, spoof)
			i := 99
			body := regexp.MustCompile("#").ReplaceAllStringFunc(test.body, func(string) string { i++; return strconv.Itoa(i) })
			req, _ := post(t, up.URL, chatPath, body)
			resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: newEndpoint(t), Policy: newPolicy(t, ark.PolicyOptions{Mode: ark.ModeReport})}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			got := resp.Header.Values("X-Sealcar-Plaintext")
			if value := strings.Join(got, "|"); !regexp.MustCompile(test.pattern).MatchString(value) || len(value) > 1100 || (len(got) > 0) != (test.pattern != "^$") {
				t.Errorf("header %q, want %s", got, test.pattern)
			}
			if v := resp.Header.Values("X-Sealcar-Reply-Plaintext"); len(v) > 0 {
				t.Errorf("the upstream's own %q was passed on", v)
			}
		})
	}
}

func TestT56_ManyValues(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","messages":[` + strings.TrimSuffix(strings.Repeat(`{"role":"user"},`, 1000), ",") + `]}`
	deep := chatWith(`"metadata":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001))
	tests := []struct {
		name, body string
		most       int
		code       string
	}{
		{"as many as allowed", body, 3005, ""},
		{"one more", body, 3004, "too_many_values"},
		{"by default", body, 0, ""},
		{"nested too deep", deep, 0, "invalid_json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newRecorder(t, respond("application/json", finished))
			req, _ := post(t, up.URL, chatPath, test.body)
			policy := newPolicy(t, ark.PolicyOptions{MaxValues: test.most})
			_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: newEndpoint(t), Policy: policy}, req)
			if test.code == "" && err != nil {
				t.Error(err)
			} else if test.code != "" {
				wantCode(t, err, 400, test.code, "*")
			}
		})
	}
}

// TestTheTablesAreDocumented holds docs/residue.md against the tables.
func TestTheTablesAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/residue.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(doc), "\n## Requests\n")
	requests, replies, ok2 := strings.Cut(text, "\n## Replies\n")
	if !ok || !ok2 {
		t.Fatal("docs/residue.md has no chapters Requests and Replies")
	}
	for name, chapter := range map[string]struct {
		text  string
		table [][2]string
	}{"requests": {requests, ark.RequestTable()}, "replies": {replies, ark.ReplyTable()}} {
		var got [][2]string
		for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([a-z ]+) \\|").FindAllStringSubmatch(chapter.text, -1) {
			got = append(got, [2]string{row[1], row[2]})
		}
		if !reflect.DeepEqual(got, chapter.table) {
			t.Errorf("%s: docs/residue.md has\n%q\nthe code has\n%q", name, got, chapter.table)
		}
	}
}
