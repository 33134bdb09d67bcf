package ark_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

const (
	wholeReply    = `{"id":"c-1","object":"chat.completion","created":1,"model":"ep-1","system_fingerprint":"fp_1","choices":[{"index":0,"message":{"role":"assistant","content":"%s"EXTRA},"finish_reason":"stop"CHOICE}],"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":0}}TOP}`
	streamedReply = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"%s\"EXTRA},\"finish_reason\":\"stop\"CHOICE}]TOP}\n\ndata: [DONE]\n\n"
)

func TestWhatRepliesHoldInClearIsReportedOrRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, extra, choice, top, place string }{
		{"nothing", "", "", "", ""},
		{"nothing of many words", `,"tool_calls":null,"reasoning_content":"","refusal":null,"encrypted_content":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`, `,"logprobs":null,"moderation_hit_type":"violence"`, `,"service_tier":"default","obfuscation":"x-y","x":1`, ""},
		{"reasoning", `,"reasoning_content":"leak"`, "", "", "choices[].PLACE.reasoning_content"},
		{"tool calls", `,"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]`, "", "", "choices[].PLACE.tool_calls"},
		{"refusal", `,"refusal":"leak"`, "", "", "choices[].PLACE.refusal"},
		{"audio", `,"audio":{"id":"a","transcript":"leak"}`, "", "", "choices[].PLACE.audio.transcript"},
		{"log probabilities", "", `,"logprobs":{"content":[{"token":"leak"}]}`, "", "choices[].logprobs.content"},
		{"unknown in the message", `,"reasoning":"leak"`, "", "", "choices[].PLACE.*"},
		{"unknown in the choice", "", `,"text":"leak"`, "", "choices[].*"},
		{"unknown at the top", "", "", `,"prompt_logprobs":["leak"]`, "*"},
		{"text in place of padding", "", "", `,"obfuscation":"leak leak"`, "obfuscation"},
		{"text beside why it failed", "", "", `,"error":{"message":"m m","hint":"leak leak"}`, "error.*"},
		{"text in place of a word", "", "", `,"service_tier":"leak leak"`, "service_tier"},
	}
	for _, stream := range []bool{false, true} {
		contentType, format, place := "application/json", wholeReply, "message"
		if stream {
			contentType, format, place = "text/event-stream", streamedReply, "delta"
		}
		for _, test := range tests {
			for _, refuse := range []bool{false, true} {
				t.Run(contentType+", "+test.name+map[bool]string{true: ", refused"}[refuse], func(t *testing.T) {
					t.Parallel()
					e := newEndpoint(t)
					reply := strings.NewReplacer("EXTRA", test.extra, "CHOICE", test.choice, "TOP", test.top).Replace(format)
					up := newRecorder(t, e.sealing(t, contentType, reply, "fine"))
					req, record := post(t, up.URL, chatPath, asking(`{"model":"m","messages":[]}`, contentType))
					resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e, ClearReply: ark.ClearReply{Refuse: refuse}}).RoundTrip(req)
					want := strings.Replace(test.place, "PLACE", place, 1)
					if refuse && want != "" {
						wantCode(t, err, 502, "reply_partly_clear", "")
						if !strings.Contains(err.Error(), want) {
							t.Errorf("%v does not name %s", err, want)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = resp.Body.Close() }()
					body := read(t, resp.Body)
					if body != strings.Replace(reply, "%s", "fine", 1) {
						t.Errorf("the app got\n%s\nof\n%s", body, reply)
					}
					if got := strings.Join(record.ReplyResidue, ","); got != want {
						t.Errorf("reported %q, want %q", got, want)
					}
					if got := resp.Header.Get("X-Sealcar-Reply-Plaintext"); got != want {
						t.Errorf("header %q, want %q", got, want)
					}
				})
			}
		}
	}
}

func TestAPlaceOfAStreamIsReportedOnce(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	const thought = "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"so\"}}]}\n\n"
	up := newRecorder(t, e.sealing(t, "text/event-stream", thought+thought+"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", "fine"))
	req, record := post(t, up.URL, chatPath, `{"model":"m","stream":true,"messages":[]}`)
	if _, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req); err != nil {
		t.Fatal(err)
	}
	if want := []string{"choices[].delta.reasoning_content"}; !reflect.DeepEqual(record.ReplyResidue, want) {
		t.Errorf("reported %q, want %q", record.ReplyResidue, want)
	}
}

func TestARefusedStreamBreaksWhereItShowsSomething(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	const first = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
	up := newRecorder(t, e.sealing(t, "text/event-stream", first+"data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"leak\"}}]}\n\ndata: [DONE]\n\n", "fine"))
	req, _ := post(t, up.URL, chatPath, `{"model":"m","stream":true,"messages":[]}`)
	_, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, ClearReply: ark.ClearReply{Refuse: true}}, req)
	wantCode(t, err, 502, "reply_partly_clear", "")
	if !strings.HasPrefix(body, strings.Replace(first, "%s", "fine", 1)) || strings.Contains(body, "leak") || strings.Contains(body, "[DONE]") {
		t.Errorf("the app got %s", body)
	}
}

func TestT25_TextOfAContentFilterIsDroppedUnlessTold(t *testing.T) {
	t.Parallel()
	const reply = `{"choices":[{"index":0,"message":{"content":"notice in clear"},"finish_reason":"content_filter"},{"index":1,"message":{"content":"%s"},"finish_reason":"content_filter"}]}`
	for unsafe, want := range map[bool]string{
		false: `{"choices":[{"index":0,"message":{"content":""},"finish_reason":"content_filter"},{"index":1,"message":{"content":"sealed"},"finish_reason":"content_filter"}]}`,
		true:  strings.Replace(reply, "%s", "sealed", 1),
	} {
		e := newEndpoint(t)
		up := newRecorder(t, e.sealing(t, "application/json", reply, "sealed"))
		req, record := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
		_, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, ClearReply: ark.ClearReply{UnsafeContentFilterText: unsafe}}, req)
		if err != nil || body != want {
			t.Errorf("got %s, %v; want %s", body, err, want)
		}
		if reported := reflect.DeepEqual(record.ReplyResidue, []string{"choices[].message.content"}); reported != unsafe {
			t.Errorf("reported %q", record.ReplyResidue)
		}
	}
}

// An honest reply that repeats a string of the request repeats its tag too.
func TestRepeatedTagsAreCountedAndNoFault(t *testing.T) {
	t.Parallel()
	const chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n"
	const end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	tests := []struct {
		name, contentType, format string
		texts                     []string
		want                      int
	}{
		{"none", "text/event-stream", chunk + end, []string{"another"}, 0},
		{"each string of the request", "text/event-stream", chunk + chunk + chunk + end, []string{"one", "two", "three"}, 3},
		{"the same one twice", "text/event-stream", chunk + chunk + end, []string{"two", "two"}, 2},
		{"the empty one says nothing", "text/event-stream", chunk + end, []string{""}, 0},
		{"whole", "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, []string{"three"}, 1},
		{"last of several joined", "application/json", `{"choices":[{"message":{"content":"%s%s"},"finish_reason":"stop"}]}`, []string{"x", "one"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, e.sealing(t, test.contentType, test.format, test.texts...))
			req, record := post(t, up.URL, chatPath, asking(`{"model":"m","messages":[{"content":"three"},{"content":""},{"content":"one"},{"content":"two"}]}`, test.contentType))
			if status, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req); err != nil || status != http.StatusOK {
				t.Fatal(status, err)
			}
			if record.RepeatedTags != test.want {
				t.Errorf("counted %d, want %d", record.RepeatedTags, test.want)
			}
		})
	}
}

func TestT32_ChoicesEndEachForItself(t *testing.T) {
	t.Parallel()
	say := func(index string) string {
		return `data: {"choices":[{"index":` + index + `,"delta":{"content":"%s"}}]}` + "\n\n"
	}
	end := func(indices ...string) (events string) {
		for _, index := range indices {
			events += `data: {"choices":[{"index":` + index + `,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
		}
		return events
	}
	tests := []struct{ name, format, code string }{
		{"eight interleaved", say("0") + say("7") + say("3") + end("3") + say("0") + end("7", "0"), ""},
		{"the last one open", say("0") + say("1023") + end("0"), "reply_unfinished"},
		{"end of another", say("64") + end("0"), "reply_unfinished"},
		{"an unknown one that says nothing", say("0") + end("0", "900"), ""},
		{"one that begins again", say("0") + end("0") + say("0"), "reply_unfinished"},
		{"one that begins again and ends", say("0") + end("0") + say("0") + end("0"), ""},
		{"index out of range", say("1024"), "reply_unreadable"},
		{"index with a fraction", say("1.0"), "reply_unreadable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			format := test.format + "data: [DONE]\n\n"
			texts := make([]string, strings.Count(format, "%s"))
			for i := range texts {
				texts[i] = "text"
			}
			up := newRecorder(t, e.sealing(t, "text/event-stream", format, texts...))
			req, _ := post(t, up.URL, chatPath, `{"model":"m","stream":true,"messages":[]}`)
			_, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req)
			if test.code != "" {
				wantCode(t, err, 502, test.code, "")
				return
			}
			if want := strings.ReplaceAll(format, "%s", "text"); err != nil || body != want {
				t.Errorf("got %s, %v; want %s", body, err, want)
			}
		})
	}
}
