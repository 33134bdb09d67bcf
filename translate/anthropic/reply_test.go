package anthropic_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/test/dialectrig"
)

const (
	asking    = `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"u"}]}`
	streaming = `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"u"}],"stream":true}`
	thinking  = `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"u"}],"thinking":{"type":"enabled"}`
)

func completionOf(message, finish string) string {
	return `{"id":"chatcmpl-1","model":"ep-1","choices":[{"index":0,"message":` + message + `,"finish_reason":` + finish + `}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}`
}

func TestReplyBecomesAMessage(t *testing.T) {
	t.Parallel()
	const said = `{"reasoning_content":"hm","content":"hi <b>","tool_calls":[{"id":"c1","function":{"name":"f","arguments":"{\"a\":1.0}"}},{"id":"c2","function":{"name":"g","arguments":""}}]}`
	const rest = `{"type":"text","text":"hi <b>","citations":null},{"type":"tool_use","id":"c1","name":"f","input":{"a":1.0},"caller":{"type":"direct"}},{"type":"tool_use","id":"c2","name":"g","input":{},"caller":{"type":"direct"}}],` +
		`"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null,"diagnostics":null,` +
		`"usage":{"input_tokens":6,"output_tokens":2,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens_details":{"thinking_tokens":1},"server_tool_use":null,"cache_creation":null,"inference_geo":null,"service_tier":null,"speed":null}}`
	const head = `{"id":"msg_1","type":"message","role":"assistant","model":"ep-1","content":[`
	for request, want := range map[string]string{
		asking:         head + rest,
		thinking + `}`: head + `{"type":"thinking","thinking":"hm","signature":""},` + rest,
	} {
		_, got, err := answer(t, dialectrig.Answering("application/json", completionOf(said, `"tool_calls"`)), request)
		if err != nil || got != want {
			t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
		}
	}
}

func TestWhyAMessageEnded(t *testing.T) {
	t.Parallel()
	const said, called = `{"content":"a"}`, `{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	for _, test := range []struct{ message, finish, want string }{
		{said, "stop", "end_turn"},
		{said, "length", "max_tokens"},
		{said, "content_filter", "refusal"},
		{called, "tool_calls", "tool_use"},
		{called, "stop", "tool_use"}, // as it ends where tool_choice forces the call
		{called, "length", "max_tokens"},
	} {
		stopped := `"stop_reason":"` + test.want + `"`
		_, got, err := answer(t, dialectrig.Answering("application/json", completionOf(test.message, `"`+test.finish+`"`)), asking)
		if err != nil || !strings.Contains(got, stopped) {
			t.Errorf("%s: got %s, %v, want %s", test.finish, got, err, stopped)
		}
		text := chunk(test.message, "null") + chunk(`{}`, `"`+test.finish+`"`) + "data: [DONE]\n\n"
		_, got, err = answer(t, dialectrig.Answering("text/event-stream", text), thinking+`,"stream":true}`)
		if err != nil || !strings.Contains(got, stopped) {
			t.Errorf("%s, streamed: got %s, %v, want %s", test.finish, got, err, stopped)
		}
	}
}

func TestACallThatMaxTokensCutIsLeftOut(t *testing.T) {
	t.Parallel()
	const cut = `{"content":"a","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":"}}]}`
	_, got, err := answer(t, dialectrig.Answering("application/json", completionOf(cut, `"length"`)), asking)
	if err != nil || strings.Contains(got, `"tool_use"`) || !strings.Contains(got, `"stop_reason":"max_tokens"`) {
		t.Errorf("got %s, %v", got, err)
	}
	_, got, err = answer(t, dialectrig.Answering("application/json", completionOf(cut, `"tool_calls"`)), asking)
	dialectrig.WantCode(t, err, http.StatusBadGateway, "reply_unreadable", "")
	if strings.Contains(got, `"tool_use"`) {
		t.Errorf("got %s", got)
	}
}

func chunk(delta, finish string) string {
	return `data: {"id":"chatcmpl-1","model":"ep-1","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}` + "\n\n"
}

func aStream() string {
	return chunk(`{"role":"assistant","content":""}`, "null") +
		chunk(`{"reasoning_content":"h"}`, "null") + chunk(`{"reasoning_content":"m"}`, "null") +
		chunk(`{"content":"你"}`, "null") + chunk(`{"content":"好\n"}`, "null") +
		chunk(`{"tool_calls":[{"index":0,"id":"c1","function":{"name":"f","arguments":""}}]}`, "null") +
		chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}`, "null") +
		chunk(`{"tool_calls":[{"index":1,"id":"c2","function":{"name":"g","arguments":"{}"}}]}`, "null") +
		chunk(`{}`, `"tool_calls"`) +
		`data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}` + "\n\ndata: [DONE]\n\n"
}

func TestT31_StreamBecomesEventsHoweverItIsSplit(t *testing.T) {
	t.Parallel()
	_, stream, err := answer(t, dialectrig.Answering("text/event-stream", aStream()), thinking+`,"stream":true}`)
	if err != nil {
		t.Fatal(err)
	}
	got := dialectrig.Events(t, stream)
	want := "message_start " +
		"content_block_start content_block_delta content_block_delta content_block_stop " +
		"content_block_start content_block_delta content_block_delta content_block_stop " +
		"content_block_start content_block_delta content_block_stop " +
		"content_block_start content_block_delta content_block_stop message_delta message_stop"
	if names(got) != want {
		t.Errorf("got\n%s\nwant\n%s", names(got), want)
	}
	said := map[int]string{}
	for _, e := range got {
		if e.Text("type") != e.Name {
			t.Errorf("%s: %v", e.Name, e.Data)
		}
		if delta, ok := e.Data["delta"].(map[string]any); ok && e.Name == "content_block_delta" {
			for _, member := range []string{"text", "thinking", "partial_json"} {
				piece, _ := delta[member].(string)
				said[e.Number("index")] += piece
			}
		}
	}
	if said[0] != "hm" || said[1] != "你好\n" || said[2] != "{}" || said[3] != "{}" || len(said) != 4 {
		t.Errorf("said %v", said)
	}
	if !strings.Contains(stream, `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null},"usage":{"input_tokens":10,"output_tokens":2,`) {
		t.Errorf("no such end in\n%s", stream)
	}
	c := dialectrig.Answering("text/event-stream", "")
	c.Body = iotest.OneByteReader(strings.NewReader(aStream()))
	if _, again, err := answer(t, c, thinking+`,"stream":true}`); err != nil || again != stream {
		t.Errorf("by single bytes: %v\n%s", err, again)
	}
	_, unasked, err := answer(t, dialectrig.Answering("text/event-stream", aStream()), streaming)
	if err != nil || strings.Contains(unasked, "thinking") {
		t.Errorf("what nobody asked for: %v\n%s", err, unasked)
	}
}

// A stream that fails ends in an error event and never looks complete.
func TestT28_AStreamThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	said := chunk(`{"content":"a"}`, "null")
	tests := map[string]struct{ stream, code string }{
		"cut short":            {said, "reply_truncated"},
		"no finish_reason":     {said + "data: [DONE]\n\n", "reply_unfinished"},
		"no completion":        {said + "data: 1\n\n", "reply_unreadable"},
		"calls in turns":       {chunk(`{"tool_calls":[{"index":0,"id":"a"},{"index":1,"id":"b"},{"index":0,"function":{"arguments":"{}"}}]}`, "null"), "reply_unreadable"},
		"told by the upstream": {said + `data: {"error":{"message":"overloaded"}}` + "\n\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, body, err := answer(t, dialectrig.Answering("text/event-stream", test.stream), streaming)
			got := dialectrig.Events(t, body)
			if strings.Contains(names(got), "message_stop") || got[len(got)-1].Name != "error" {
				t.Fatalf("events: %s", names(got))
			}
			inner, _ := got[len(got)-1].Data["error"].(map[string]any)
			if test.code == "" {
				if err != nil || inner["message"] != "overloaded" || inner["type"] != "api_error" {
					t.Errorf("%v, %v", err, inner)
				}
				return
			}
			dialectrig.WantCode(t, err, http.StatusBadGateway, test.code, "")
			if inner["code"] != test.code {
				t.Errorf("the error says %v", inner)
			}
		})
	}
}

func TestRepliesThatAreNoMessageAreFaults(t *testing.T) {
	t.Parallel()
	call := func(arguments string) string {
		return completionOf(`{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"`+arguments+`"}}]}`, `"tool_calls"`)
	}
	for body, code := range map[string]string{
		completionOf(`{"content":"a"}`, "null"): "reply_unfinished",
		call(`[1]`):                             "reply_unreadable",
		call(`{`):                               "reply_unreadable",
	} {
		_, _, err := answer(t, dialectrig.Answering("application/json", body), asking)
		dialectrig.WantCode(t, err, http.StatusBadGateway, code, "")
	}
}

func TestErrorsHaveTheFormOfTheAPI(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status   int
		doc      string
		want     int
		wantType string
		message  string
	}{
		"too many":        {429, `{"error":{"message":"slow down","code":"rate","param":null}}`, 429, "rate_limit_error", "slow down"},
		"unauthorized":    {401, `{"error":{"message":"who?"}}`, 401, "authentication_error", "who?"},
		"not JSON":        {500, `<html>`, 500, "api_error", "the upstream failed without saying why"},
		"bad":             {400, `{"error":"just text"}`, 400, "invalid_request_error", "just text"},
		"overloaded":      {529, `{"error":{"message":"m"}}`, 529, "overloaded_error", "m"},
		"hidden in a 200": {200, `{"error":{"message":"m","code":7}}`, 502, "api_error", "m"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialectrig.Answering("application/json", test.doc)
			c.Status = test.status
			status, body, err := answer(t, c, asking)
			if err != nil {
				t.Fatal(err)
			}
			got := errorDocument(t, []byte(body))
			if status != test.want || got.Error.Type != test.wantType || got.Error.Message != test.message {
				t.Errorf("got %d %+v", status, got)
			}
		})
	}
}

type errorForm struct {
	Type  string
	Error struct{ Type, Message, Code, Param string }
}

func errorDocument(t *testing.T, doc []byte) errorForm {
	t.Helper()
	var form errorForm
	if err := json.Unmarshal(doc, &form); err != nil || form.Type != "error" {
		t.Fatalf("%s: %v", doc, err)
	}
	return form
}

// broken is a transport that fails.
type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestOurOwnErrorsHaveTheFormOfTheAPIToo(t *testing.T) {
	t.Parallel()
	ours := &apierror.Error{Status: http.StatusServiceUnavailable, Code: "certificate_unavailable", Message: "m", Param: "p"}
	for _, below := range []error{ours, io.ErrUnexpectedEOF} {
		rt := transport(nil)
		rt.Base = broken{below}
		_, err := rt.RoundTrip(post(exchange.With(t.Context(), new(exchange.Record)), t, asking))
		e, ok := errors.AsType[*apierror.Error](err)
		if !ok {
			if errors.Is(below, ours) || !errors.Is(err, below) {
				t.Errorf("got %v for %v", err, below)
			}
			continue
		}
		form := errorDocument(t, e.Document())
		if e.Status != ours.Status || form.Error.Type != "overloaded_error" || form.Error.Code != ours.Code || form.Error.Param != "p" || form.Error.Message != "m" {
			t.Errorf("got %s", e.Document())
		}
	}
	if strings.Contains(string(ours.Document()), "overloaded") {
		t.Error("an error that others may hold was changed")
	}
}

// The tool runners of the SDKs ask for a thread first, and go on without one if
// they are told so in the API's own words.
func TestAThreadIsRefusedAsTheAPIDoesWithoutThem(t *testing.T) {
	t.Parallel()
	_, _, err := answer(t, dialectrig.Answering("application/json", whole), with(`,"thread":{"type":"create"}`))
	dialectrig.WantCode(t, err, http.StatusBadRequest, "thread_unsupported", "thread")
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		t.Fatal(err)
	}
	var got struct {
		Type  string
		Error struct {
			Type    string
			Details struct {
				ErrorCode   string `json:"error_code"`
				Unsupported []string
			}
		}
	}
	if err := json.Unmarshal(e.Document(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "error" || got.Error.Type != "invalid_request_error" || got.Error.Details.ErrorCode != "thread_unsupported_request" || !slices.Equal(got.Error.Details.Unsupported, []string{"thread"}) {
		t.Errorf("got %s", e.Document())
	}
}

func TestTheIDOfAReplyIsWhereTheSDKsLook(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"": "upstreams", "its-own": "its-own"} {
		c := dialectrig.Answering("application/json", whole)
		c.Header = http.Header{"X-Request-Id": {"upstreams"}}
		if own != "" {
			c.Header.Set("Request-Id", own)
		}
		resp, err := transport(c).RoundTrip(post(exchange.With(t.Context(), new(exchange.Record)), t, asking))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Request-Id"); got != want {
			t.Errorf("the id is %q, want %q", got, want)
		}
	}
}
