package tools_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/payload"
)

const kib = 1 << 10

// many is a chat of each place that has a list here, with n elements in it.
func many(n int) map[string]string {
	list := func(element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }
	return map[string]string{
		"tools":         `{"messages":[],"tools":[` + list(`{"type":"function","function":{"name":"a"}}`) + `]}`,
		"old functions": `{"messages":[],"functions":[` + list(`{"name":"a"}`) + `]}`,
		"calls":         `{"messages":[{"role":"assistant","tool_calls":[` + list(`{"function":{"name":"a"}}`) + `]}]}`,
		"results":       `{"messages":[` + list(`{"role":"tool"}`) + `]}`,
		"parts":         `{"messages":[{"role":"user","content":[` + list(`{"type":"text"}`) + `]}],"tools":[` + weather + `]}`,
	}
}

func TestT56_TheValuesOfToolsAreCounted(t *testing.T) {
	t.Parallel()
	for name, body := range many(100) {
		u := &upstream{mediaType: "application/json", reply: `{}`}
		tr := transport(u)
		tr.MaxValues = 200
		wantRefusal(t, name, u, body, tr, http.StatusBadRequest, "too_many_values")
	}
}

// Many small values, and a few that are long, take more room than their text.
func TestT84_WhatMovesIsInsideTheBudget(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100*kib)
	chats := many(1000)
	chats["a long tool"] = `{"messages":[],"tools":[{"type":"function","function":{"name":"a","description":"` + long + `"}}]}`
	chats["a long call"] = `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"a","arguments":"` + long + `"}}]}]}`
	chats["a long old call"] = `{"messages":[{"role":"assistant","function_call":{"name":"a","arguments":"` + long + `"}}]}`
	chats["a long result"] = `{"messages":[{"role":"tool","content":"` + long + `"}]}`
	for name, body := range chats {
		u := &upstream{mediaType: "application/json", reply: `{}`}
		small := payload.NewBudget(int64(4*len(body)) + 300*kib) // room to read and send it, and no more
		wantRefusal(t, name, u, body, small.Within(transport(u)), http.StatusRequestEntityTooLarge, "request_too_large")

		large := payload.NewBudget(8000 * kib)
		resp, err := large.Within(transport(u)).RoundTrip(post(t, body))
		if err != nil {
			t.Errorf("%s, with room: %v", name, err)
			continue
		}
		if used := large.Used(); used > int64(3*len(u.sent)) {
			t.Errorf("%s: %d bytes are taken for %d that are sent", name, used, len(u.sent))
		}
		_ = resp.Body.Close()
		if small.Used()+large.Used() != 0 {
			t.Errorf("%s: %d and %d bytes are taken after the end", name, small.Used(), large.Used())
		}
	}
}

func wantRefusal(t *testing.T, name string, u *upstream, body string, way http.RoundTripper, status int, code string) {
	t.Helper()
	resp, err := way.RoundTrip(post(t, body))
	if err == nil {
		_ = resp.Body.Close()
	}
	if fault, ok := errors.AsType[*apierror.Error](err); !ok || fault.Status != status || fault.Code != code || u.calls > 0 {
		t.Errorf("%s: got %v after %d calls, want %s and none", name, err, u.calls, code)
	}
}

// What may still become a call is held back over many events, each of which is
// short.
func TestT84_WhatIsHeldBackIsInsideTheBudget(t *testing.T) {
	t.Parallel()
	piece := strings.Repeat("x", kib)
	pieces := append([]string{`<tool_call>{"name":"`}, strings.Split(strings.Repeat(piece+" ", 100), " ")...)
	for size, fits := range map[int64]bool{400 * kib: false, 1200 * kib: true} {
		budget := payload.NewBudget(size)
		u := &upstream{mediaType: "text/event-stream", reply: stream(pieces...)}
		resp, err := budget.Within(transport(u)).RoundTrip(post(t, chat))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if fault, ok := errors.AsType[*apierror.Error](err); fits && err != nil || !fits && (!ok || fault.Code != "reply_too_large") {
			t.Errorf("%d KiB: %v", size/kib, err)
		}
		_ = resp.Body.Close()
	}
}
