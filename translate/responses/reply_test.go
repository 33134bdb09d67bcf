package responses_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/test/dialectrig"
)

// reply is what an SDK reads of a response object.
type reply struct {
	ID, Object, Status, Model string
	CreatedAt                 int64 `json:"created_at"`
	Store                     bool
	IncompleteDetails         *struct{ Reason string } `json:"incomplete_details"`
	Instructions              string
	Metadata                  map[string]string
	Temperature               json.Number
	Tools                     []map[string]any
	Output                    []struct {
		ID, Type, Status, Role, Name, Arguments string
		CallID                                  string `json:"call_id"`
		Content                                 []struct{ Type, Text, Refusal string }
	}
	Usage struct {
		InputTokens  int `json:"input_tokens"`
		OutputTokens int `json:"output_tokens"`
		TotalTokens  int `json:"total_tokens"`
		InputDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		OutputDetails struct {
			Reasoning int `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	}
}

func completionOf(message, finish string) string {
	return `{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"ep-1","choices":[{"index":0,"message":` + message + `,"finish_reason":` + finish + `}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":5}}}`
}

func TestReplyBecomesAResponse(t *testing.T) {
	t.Parallel()
	c := dialectrig.Answering("application/json", completionOf(`{"role":"assistant","reasoning_content":"hm","content":"hi <b>","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{\"a\":1}"}}]}`, `"tool_calls"`))
	status, body, err := answer(t, c, `{"model":"m","input":"u","instructions":"i","metadata":{"k":"v"},"temperature":0.70,"tools":[`+tool+`]}`)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	var got reply
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "resp_1" || got.Object != "response" || got.Status != "completed" || got.Model != "ep-1" || got.CreatedAt != 5 || got.Store || got.IncompleteDetails != nil {
		t.Errorf("head: %+v", got)
	}
	if got.Instructions != "i" || got.Metadata["k"] != "v" || got.Temperature != "0.70" || len(got.Tools) != 1 || got.Tools[0]["name"] != "f" {
		t.Errorf("echo: %+v", got)
	}
	if u := got.Usage; u.InputTokens != 1 || u.OutputTokens != 2 || u.TotalTokens != 3 || u.InputDetails.Cached != 4 || u.OutputDetails.Reasoning != 5 {
		t.Errorf("usage: %+v", u)
	}
	if len(got.Output) != 4 {
		t.Fatalf("output: %+v", got.Output)
	}
	thought, said, f, g := got.Output[0], got.Output[1], got.Output[2], got.Output[3]
	if thought.ID != "rs_1_0" || thought.Type != "reasoning" || thought.Content[0].Type != "reasoning_text" || thought.Content[0].Text != "hm" {
		t.Errorf("reasoning: %+v", thought)
	}
	if said.ID != "msg_1_1" || said.Type != "message" || said.Role != "assistant" || said.Status != "completed" || said.Content[0].Type != "output_text" || said.Content[0].Text != "hi <b>" {
		t.Errorf("message: %+v", said)
	}
	if f.ID != "fc_1_2" || f.Type != "function_call" || f.CallID != "c1" || f.Name != "f" || f.Arguments != "{}" || f.Status != "completed" || g.CallID != "c2" || g.Arguments != `{"a":1}` {
		t.Errorf("calls: %+v %+v", f, g)
	}
}

func TestHowAResponseEnded(t *testing.T) {
	t.Parallel()
	for finish, want := range map[string][2]string{
		"stop": {"completed", ""}, "tool_calls": {"completed", ""},
		"length": {"incomplete", "max_output_tokens"}, "content_filter": {"incomplete", "content_filter"},
	} {
		_, body, err := answer(t, dialectrig.Answering("application/json", completionOf(`{"refusal":"no"}`, `"`+finish+`"`)), `{"model":"m","input":"u"}`)
		if err != nil {
			t.Fatal(err)
		}
		var got reply
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		why := ""
		if got.IncompleteDetails != nil {
			why = got.IncompleteDetails.Reason
		}
		if got.Status != want[0] || why != want[1] || got.Output[0].Status != want[0] || got.Output[0].Content[0].Refusal != "no" {
			t.Errorf("%s: %s %s, item %+v", finish, got.Status, why, got.Output[0])
		}
	}
}

func chunk(delta, finish string) string {
	return `data: {"id":"chatcmpl-1","created":5,"model":"ep-1","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}` + "\n\n"
}

const (
	usageChunk = `data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}` + "\n\n"
	theEnd     = "data: [DONE]\n\n"
	streaming  = `{"model":"m","input":"u","stream":true}`
)

func aStream() string {
	return chunk(`{"role":"assistant","content":""}`, "null") + ": still there\n\n" +
		chunk(`{"reasoning_content":"h"}`, "null") + chunk(`{"reasoning_content":"m"}`, "null") +
		chunk(`{"content":"你"}`, "null") + chunk(`{"content":"好\n"}`, "null") +
		chunk(`{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}`, "null") +
		chunk(`{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"g","arguments":"{"}}]}`, "null") +
		chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"{}"}},{"index":1,"function":{"arguments":"}"}}]}`, "null") +
		chunk(`{}`, `"tool_calls"`) + usageChunk + theEnd
}

func TestStreamBecomesEventsInTheirOrder(t *testing.T) {
	t.Parallel()
	_, stream, err := answer(t, dialectrig.Answering("text/event-stream; charset=utf-8", aStream()), streaming)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stream, ": still there\n\n") {
		t.Error("the comment that keeps the connection alive is lost")
	}
	got := dialectrig.Events(t, strings.Replace(stream, ": still there\n\n", "", 1))
	want := "created in_progress " +
		"output_item.added content_part.added reasoning_text.delta reasoning_text.delta reasoning_text.done content_part.done output_item.done " +
		"output_item.added content_part.added output_text.delta output_text.delta output_text.done content_part.done output_item.done " +
		"output_item.added output_item.added function_call_arguments.delta function_call_arguments.delta function_call_arguments.delta " +
		"function_call_arguments.done output_item.done function_call_arguments.done output_item.done completed"
	if names(got) != want {
		t.Errorf("got\n%s\nwant\n%s", names(got), want)
	}
	said := map[int]string{}
	for i, e := range got {
		if e.Number("sequence_number") != i || e.Text("type") != e.Name {
			t.Errorf("event %d: %s %v", i, e.Name, e.Data)
		}
		if strings.HasSuffix(e.Name, ".delta") {
			said[e.Number("output_index")] += e.Text("delta")
		}
		if e.Name == "response.output_text.delta" && (e.Text("item_id") != "msg_1_1" || e.Number("content_index") != 0 || e.Data["logprobs"] == nil) {
			t.Errorf("a delta without its place: %v", e.Data)
		}
	}
	if wantSaid := map[int]string{0: "hm", 1: "你好\n", 2: "{}", 3: "{}"}; !reflect.DeepEqual(said, wantSaid) {
		t.Errorf("said %v", said)
	}
	last, _ := json.Marshal(got[len(got)-1].Data["response"])
	var final reply
	if err := json.Unmarshal(last, &final); err != nil {
		t.Fatal(err)
	}
	if final.Status != "completed" || final.Usage.TotalTokens != 3 || len(final.Output) != 4 || final.Output[1].Content[0].Text != "你好\n" || final.Output[3].CallID != "c2" || final.Output[3].Arguments != "{}" {
		t.Errorf("final: %+v", final)
	}
	if first, _ := got[0].Data["response"].(map[string]any); first["status"] != "in_progress" || first["id"] != "resp_1" {
		t.Errorf("first: %v", first)
	}
}

// However the upstream's bytes are cut into reads, the events are the same.
func TestT31_AnySplitGivesTheSameEvents(t *testing.T) {
	t.Parallel()
	_, want, err := answer(t, dialectrig.Answering("text/event-stream", aStream()), streaming)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1; size < 200; size += 7 {
		c := dialectrig.Answering("text/event-stream", "")
		c.Body = &pieces{text: aStream(), size: size}
		if _, got, err := answer(t, c, streaming); err != nil || got != want {
			t.Fatalf("reads of %d bytes: %v, got\n%s", size, err, got)
		}
	}
}

type pieces struct {
	text string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:min(p.size, len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

// Each chunk's events can be read before the next chunk comes.
func TestEventsComeAtOnce(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	c := dialectrig.Answering("text/event-stream", "")
	c.Body = r
	resp, err := transport(c).RoundTrip(post(exchange.With(t.Context(), new(exchange.Record)), t, streaming))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	buf := make([]byte, 64<<10)
	for _, word := range []string{"one", "two", "three"} {
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(w, chunk(`{"content":"`+word+`"}`, "null"))
			sent <- err
		}()
		for got := ""; !strings.Contains(got, `"delta":"`+word+`"`); {
			n, err := resp.Body.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += string(buf[:n])
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
}

// A stream that fails must not look complete: it has events that every SDK takes
// for an error, and only what the upstream itself has told ends cleanly.
func TestT28_AStreamThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	said := chunk(`{"content":"a"}`, "null")
	tests := map[string]struct{ stream, code, message string }{
		"cut short":            {said, "reply_truncated", "before [DONE]"},
		"cut inside an event":  {said + "data: {", "reply_truncated", "broke off"},
		"no finish_reason":     {said + theEnd, "reply_unfinished", "no finish_reason"},
		"no completion":        {said + "data: []\n\n", "reply_unreadable", "no chat completion"},
		"several choices":      {said + `data: {"choices":[{"index":1,"delta":{}}]}` + "\n\n", "reply_unreadable", "several choices"},
		"more behind the end":  {chunk(`{"content":"a"}`, `"stop"`) + theEnd + said, "reply_after_done", "after [DONE]"},
		"told by the upstream": {said + `data: {"error":{"message":"overloaded","code":"busy","type":"t"}}` + "\n\n", "", "overloaded"},
		"told, and then more":  {said + `data: {"error":{"message":"m"}}` + "\n\n" + said + theEnd, "", "m"},
		"told, and then cut":   {said + `data: {"error":{"message":"m"}}` + "\n\ndata: ", "unexpected EOF", "m"},
		"told, and then done":  {said + `data: {"error":"just text"}` + "\n\n" + theEnd, "", "just text"},
		"too long":             {chunk(`{"content":"`+strings.Repeat("x", 100)+`"}`, "null"), "reply_too_large", "limits.reply_bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialectrig.Answering("text/event-stream", test.stream)
			rt := transport(c)
			rt.MaxReplyBytes = 50
			resp, err := rt.RoundTrip(post(exchange.With(t.Context(), new(exchange.Record)), t, streaming))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			got := dialectrig.Events(t, string(body))
			if !strings.HasSuffix(names(got), "failed error") {
				t.Fatalf("events: %s", names(got))
			}
			if !strings.HasPrefix(name, "more") && strings.Contains(names(got), "completed") {
				t.Errorf("events: %s", names(got))
			}
			if n := strings.Count(names(got), "error"); n != 1 {
				t.Errorf("%d errors in %s", n, names(got))
			}
			if end, _ := got[len(got)-2].Data["response"].(map[string]any); end["status"] != "failed" || len(end["output"].([]any)) > 1 {
				t.Errorf("failed with %v", end)
			}
			last := got[len(got)-1]
			inner, _ := last.Data["error"].(map[string]any)
			if !strings.Contains(last.Text("message"), test.message) || inner["message"] != last.Data["message"] {
				t.Errorf("the error says %v", last.Data)
			}
			if test.code == "" {
				if err != nil {
					t.Errorf("ended with %v", err)
				}
				return
			}
			if errors.Is(err, io.ErrUnexpectedEOF) && test.code == "unexpected EOF" {
				return
			}
			dialectrig.WantCode(t, err, http.StatusBadGateway, test.code, "")
			if last.Text("code") != test.code || inner["type"] != apierror.Type {
				t.Errorf("the error says %v", last.Data)
			}
		})
	}
}

func TestRepliesThatAreNotWhatWasAskedForAreFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ request, kind, body, code string }{
		"a stream unasked":     {`{"model":"m","input":"u"}`, "text/event-stream", aStream(), "reply_unreadable"},
		"no stream":            {streaming, "application/json", whole, "reply_unreadable"},
		"HTML":                 {`{"model":"m","input":"u"}`, "text/html", "x", "reply_unreadable"},
		"no completion":        {`{"model":"m","input":"u"}`, "application/json", "[]", "reply_unreadable"},
		"without an end":       {`{"model":"m","input":"u"}`, "application/json", completionOf(`{"content":"a"}`, "null"), "reply_unfinished"},
		"without a choice":     {`{"model":"m","input":"u"}`, "application/json", `{"choices":[]}`, "reply_unfinished"},
		"with several choices": {`{"model":"m","input":"u"}`, "application/json", `{"choices":[{"index":0},{"index":1}]}`, "reply_unreadable"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := answer(t, dialectrig.Answering(test.kind, test.body), test.request)
			dialectrig.WantCode(t, err, http.StatusBadGateway, test.code, "")
		})
	}
}

func TestErrorsOfTheUpstreamStayAsTheyAre(t *testing.T) {
	t.Parallel()
	doc := `{"error":{"message":"slow down","code":"rate"}}`
	for status, want := range map[int]int{http.StatusTooManyRequests: http.StatusTooManyRequests, http.StatusOK: http.StatusBadGateway} {
		c := dialectrig.Answering("application/json", doc)
		c.Status = status
		if got, body, err := answer(t, c, `{"model":"m","input":"u"}`); err != nil || got != want || body != doc {
			t.Errorf("%d: got %d %s, %v", status, got, body, err)
		}
	}
}
