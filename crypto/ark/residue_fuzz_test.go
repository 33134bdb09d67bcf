package ark_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/exchange"
)

// FuzzPolicy sends chats whose strings are all the canary. What crosses the wire
// is read by a lenient parser: the canary may stand where it was reported and
// nowhere else, and in no content at all.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		messageWith(`"name":"a","tool_calls":[{"id":"b","function":{"name":"c","arguments":"{}"}}],"x":1`),
		chatWith(`"user":"u","metadata":{"a":"b"},"stop":["x"],"tools":[{"type":"function","function":{"name":"f","parameters":{"a":{"b":"c"}}}}]`),
		chatWith(`"tool_choice":{"function":{"name":"f"}},"response_format":{"json_schema":{"schema":{}}},"logit_bias":{"1":2},"audio":{"voice":{"id":"v"}}`),
		contentOf(`{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:a"}},{"type":"image_url","image_url":{"url":"http://a"}}`),
		contentOf(`{"type":"video_url","video_url":{"url":"a"}},{"type":"x"}`),
		`{"model":"m","messages":[{"content":"a"}],"Messages":[{"content":"a"}],"\u006dodel":"x"}`,
	} {
		for mode := range modes() {
			f.Add([]byte(seed), byte(mode), mode%2 == 0)
		}
	}
	e := newEndpoint(f)
	f.Fuzz(func(t *testing.T, doc []byte, mode byte, strip bool) {
		var tree any
		if json.Unmarshal(doc, &tree) == nil {
			marked, err := json.Marshal(withCanaries(tree, ""))
			if err != nil {
				t.Fatal(err)
			}
			checkWire(t, e, marked, modes()[mode%4], strip)
		}
		checkWire(t, e, doc, modes()[mode%4], strip)
	})
}

// withCanaries replaces every string but those that say what the rest is.
func withCanaries(v any, name string) any {
	switch v := v.(type) {
	case string:
		if name == "model" || name == "type" {
			return v
		}
		if name == "url" {
			for _, scheme := range []string{"data:", "http://"} {
				if strings.HasPrefix(v, scheme) {
					return scheme + canary
				}
			}
		}
		return canary
	case []any:
		for i := range v {
			v[i] = withCanaries(v[i], name)
		}
	case map[string]any:
		for member := range v {
			v[member] = withCanaries(v[member], member)
		}
	}
	return v
}

// checkWire sends body and looks for the canary in what leaves.
func checkWire(t *testing.T, e *endpoint, body []byte, mode ark.Mode, strip bool) {
	t.Helper()
	var sent []byte
	base := roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		var err error
		sent, err = io.ReadAll(req.Body)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(finished))}, err
	})
	options := ark.PolicyOptions{Mode: mode}
	if strip {
		options.Strip = []string{"user", "metadata"}
	}
	req, record := post(t, "https://upstream.example", chatPath, string(body))
	_, _, err := roundTrip(&ark.Transport{Base: base, Certificates: e, Policy: newPolicy(t, options)}, req)
	if err != nil {
		if _, ok := errors.AsType[*apierror.Error](err); !ok || sent != nil {
			t.Fatalf("%v, after sending %q", err, sent)
		}
		return
	}
	var tree any
	if err := json.Unmarshal(sent, &tree); err != nil {
		t.Fatalf("sent %q: %v", sent, err)
	}
	checkClear(t, tree, "", mode, record)
	if top, _ := tree.(map[string]any); strip && (top["user"] != nil || top["metadata"] != nil) {
		t.Errorf("not stripped: %s", sent)
	}
}

var contentPath = regexp.MustCompile(`^messages\[\d+\]\.content`)

// checkClear looks for the canary in a part of what was sent.
func checkClear(t *testing.T, v any, path string, mode ark.Mode, record *exchange.Record) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, canary) || path == "model" {
			return
		}
		switch {
		case mode == ark.ModeRefuse:
			t.Errorf("%s is in clear, although everything is refused", path)
		case mode != ark.ModeUnsafeAllow && contentPath.MatchString(path):
			t.Errorf("%s is content in clear", path)
		case record.ResidueCount == len(record.Residue) && !slices.ContainsFunc(record.Residue, func(r string) bool { return isBelow(path, r) }):
			t.Errorf("%s is in clear and not reported: %q", path, record.Residue)
		}
	case []any:
		for i := range v {
			checkClear(t, v[i], fmt.Sprintf("%s[%d]", path, i), mode, record)
		}
	case map[string]any:
		for name := range v {
			checkClear(t, v[name], strings.TrimPrefix(path+"."+name, "."), mode, record)
		}
	}
}

// isBelow tells whether path is the place that was reported, or below it.
// Names that are no words are not shown in reports, and long paths are cut.
func isBelow(path, reported string) bool {
	reported, _, _ = strings.Cut(reported, "[?]")
	reported = strings.TrimSuffix(reported, "...")
	return strings.HasPrefix(path, reported)
}

// TestT26_NoCanaryOfAChatCrossesTheWire runs one rich chat through both halves.
// The enclave's backend gets every byte of it; what crosses shows the canary
// where that is reported, and nowhere else.
func TestT26_NoCanaryOfAChatCrossesTheWire(t *testing.T) {
	t.Parallel()
	rich := strings.ReplaceAll(`{"model":"ep-1","user":"C","metadata":{"k":"C"},"stop":["C"],"messages":[`+
		`{"role":"system","content":"C"},{"role":"user","name":"C","content":[{"type":"text","text":"C"},{"type":"image_url","image_url":{"url":"data:C"}}]},`+
		`{"role":"assistant","content":null,"reasoning_content":"C","tool_calls":[{"id":"c1","type":"function","function":{"name":"C","arguments":"C"}}]},`+
		`{"role":"tool","tool_call_id":"c1","content":"C"}],`+
		`"tools":[{"type":"function","function":{"name":"C","description":"C","parameters":{"C":"C"}}}],"response_format":{"type":"json_schema","json_schema":{"name":"C","schema":{"C":"C"}}}}`, "C", canary)
	for _, mode := range modes() {
		t.Run(fmt.Sprintf("%q", mode), func(t *testing.T) {
			t.Parallel()
			e := newEnds(t, respond("application/json", finished), nil)
			e.client.Policy = newPolicy(t, ark.PolicyOptions{Mode: mode})
			req, record := post(t, e.base, chatPath, rich)
			_, _, err := roundTrip(e.client, req)
			if mode == ark.ModeRefuse {
				wantCode(t, err, 400, "unsealable_field", "user")
				if n := len(e.wire.requests()); n != 0 {
					t.Errorf("%d requests crossed the wire", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := e.backend.only(t).body; got != rich {
				t.Errorf("the backend got\n%s\nwant\n%s", got, rich)
			}
			var tree any
			if err := json.Unmarshal([]byte(e.wire.only(t).body), &tree); err != nil {
				t.Fatal(err)
			}
			checkClear(t, tree, "", ark.ModeReport, record)
			if record.ResidueCount != 12 || record.UnsafeResidue {
				t.Errorf("reported %d: %q", record.ResidueCount, record.Residue)
			}
		})
	}
}
