package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sealcar/enclave"
)

const (
	weatherTool = `"tools":[{"type":"function","function":{"name":"weather","description":"canary","parameters":{"type":"object"}}}],`
	linkedImage = `[{"type":"image_url","image_url":{"url":"https://canary.example/a.png"}}]`
)

// Each setting of a route's policy, as an application and an operator see it.
func TestT26_WhatCannotBeSealedIsTreatedAsTheRouteSays(t *testing.T) {
	t.Parallel()
	all := "tools[0].function.name, tools[0].function.description, tools[0].function.parameters"
	tests := map[string]struct {
		route, members, content string
		code, param             string // of the refusal; "" is none
		clear                   string // the header
		where                   string // the metric's label; "" is none
	}{
		"default, tools":       {"", weatherTool, `"x"`, "", "", all, "request"},
		"default, unknown":     {"", `"prompt":"canary",`, `"x"`, "unsealable_field", "prompt", "", ""},
		"default, image":       {"", "", linkedImage, "unsealable_content", "messages[0].content[0].image_url.url", "", ""},
		"default, nothing":     {"", `"temperature":1,`, `"x"`, "", "", "", ""},
		"refuse":               {"residue: refuse", weatherTool, `"x"`, "unsealable_field", "tools[0].function.name", "", ""},
		"strict":               {"strict: true", `"user":"canary",`, `"x"`, "unsealable_field", "user", "", ""},
		"report":               {"residue: report", `"prompt":"p",`, `"x"`, "", "", "prompt", "request"},
		"report, image":        {"residue: report", "", linkedImage, "unsealable_content", "messages[0].content[0].image_url.url", "", ""},
		"unsafe_allow":         {"residue: unsafe_allow", "", linkedImage, "", "", "messages[0].content[0].image_url.url", "request_unsafe"},
		"an exception":         {`residue_exceptions: [{path: "tools[*].function.description", residue: refuse}]`, weatherTool, `"x"`, "unsealable_field", "tools[0].function.description", "", ""},
		"an exception, unsafe": {`residue_exceptions: [{path: "messages[*].content[*].image_url", residue: unsafe_allow}]`, "", linkedImage, "", "", "messages[0].content[0].image_url.url", "request_unsafe"},
		"strip":                {"residue: refuse\n    strip: [user, metadata]", `"user":"canary","metadata":{"a":"canary"},`, `"x"`, "", "", "", ""},
		"json_values":          {"", `"stop":["a"],`, `[` + strings.TrimSuffix(strings.Repeat(`{"type":"text","text":"x"},`, 100), ",") + `]`, "too_many_values", "*", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, enclave.Options{}, byAPIKey+"    "+test.route+"\n", "limits: {json_values: 100}\n")
			got := p.call(t, http.MethodPost, "/chat/completions", p.key, `{"model":"ep-1",`+test.members+`"messages":[{"role":"user","content":`+test.content+`}]}`)
			if test.code != "" {
				if got.status != 400 || got.code() != test.code || test.param != "*" && !strings.Contains(got.body, fmt.Sprintf(`"param":%q`, test.param)) {
					t.Errorf("got %d %s", got.status, got.body)
				}
				if p.received("canary") || p.calls.count(chats) > 0 {
					t.Error("something was sent")
				}
				return
			}
			if got.status != 200 || got.header.Get("X-Sealcar-Plaintext") != test.clear {
				t.Errorf("got %d, header %q: %s", got.status, got.header.Get("X-Sealcar-Plaintext"), got.body)
			}
			if test.clear == "" && p.received("canary") {
				t.Error("the canary crossed the wire")
			}
			eventually(t, func() bool { return p.log.count(`"message":"request"`) > 0 }, p.log.String)
			if logged := p.log.count(`"residue":["`); (logged > 0) != (test.clear != "") || p.log.count("canary.example") > 0 {
				t.Errorf("log:\n%s", p.log)
			}
			for _, where := range []string{"request", "request_unsafe"} {
				want := 0
				if where == test.where {
					want = 1
				}
				if n := p.metric(t, `sealcar_residue_total\{route="ark",where="`+where+`"\}`); n != want {
					t.Errorf("%s is counted %d times, want %d", where, n, want)
				}
			}
		})
	}
}

// The model's call of a tool comes in clear.
func TestWhatRepliesHoldInClearIsTreatedAsTheRouteSays(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		members := weatherTool + fmt.Sprintf(`"tool_choice":"required","stream":%t,`, stream)
		t.Run(fmt.Sprintf("reported, stream %t", stream), func(t *testing.T) {
			t.Parallel()
			p := startPair(t, enclave.Options{}, byAPIKey, "")
			got := p.chat(t, p.key, members, "berlin")
			if got.status != 200 || got.err != nil || !strings.HasSuffix(got.header.Get("X-Sealcar-Reply-Plaintext"), "tool_calls") {
				t.Errorf("got %d %q: %s", got.status, got.header.Get("X-Sealcar-Reply-Plaintext"), got.body)
			}
			eventually(t, func() bool { return p.log.count(`"reply_residue":["choices[].`, `tool_calls"]`) == 1 }, p.log.String)
		})
		t.Run(fmt.Sprintf("refused, stream %t", stream), func(t *testing.T) {
			t.Parallel()
			p := startPair(t, enclave.Options{}, byAPIKey+"    replies: {clear: refuse}\n", "")
			if got := p.chat(t, p.key, members, "berlin"); got.status != 502 || got.code() != "reply_partly_clear" {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

func TestAnEchoRepeatsTagsAndIsCounted(t *testing.T) {
	t.Parallel()
	p := startPair(t, enclave.Options{}, byAPIKey, "")
	got := p.chat(t, p.key, `"stream":true,`, "You") // as the echo begins: You said: You
	if got.status != 200 || got.err != nil || got.text() != "You said: You" {
		t.Fatalf("got %d %s, %v", got.status, got.body, got.err)
	}
	eventually(t, func() bool { return p.log.count(`"message":"request"`, `"repeated_tags":1`) == 1 }, p.log.String)
	if n := p.metric(t, "sealcar_repeated_tags_total"); n != 1 {
		t.Errorf("counted %d times", n)
	}
}
