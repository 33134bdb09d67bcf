package cases_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/test/wire"
)

// run plays the case at each of its doors and says what is not as it should be.
func (c *testCase) run(t *testing.T) (problems []string) {
	t.Helper()
	canary := "Canary" + rand.Text()
	v := constants(canary)
	e := start(t, c, v)
	v = v.with("key", func() string { return e.key })
	for _, door := range c.send.Doors {
		for _, problem := range c.play(t.Context(), e, door, canary, v) {
			problems = append(problems, door+": "+problem)
		}
	}
	metrics, err := e.metrics(t.Context())
	if err != nil {
		problems = append(problems, "reading the metrics: "+err.Error())
	}
	e.stop()
	problems = append(problems, e.script.noted()...)
	for _, form := range wire.Leaks(metrics, canary) {
		problems = append(problems, "the canary is in the metrics: "+form)
	}
	for _, form := range wire.Leaks([]byte(e.log.String()), canary) {
		problems = append(problems, "the canary is in the log: "+form)
	}
	return problems
}

// play sends the request through one door.
func (c *testCase) play(ctx context.Context, e *ends, door, canary string, v values) []string {
	base, host := address(door, e.sidecar.Addr().String())
	v = v.with("base", func() string { return base }).with("host", func() string { return host })
	v = v.with("head", func() string {
		return "POST " + base + "/chat/completions HTTP/1.1\nHost: " + host + "\nAuthorization: Bearer " + e.key
	})
	request, err := c.request.bytes(v)
	if err != nil {
		return []string{"making the request: " + err.Error()}
	}
	wanted, err := c.want.expanded(v)
	if err != nil {
		return []string{"making what is wanted: " + err.Error()}
	}
	got, err := through(ctx, e.sidecar.Proxy, door, request, c.send.HalfClose)
	if err != nil {
		return []string{err.Error()}
	}
	problems := wanted.reply(got, canary)
	return append(problems, wanted.upstream(e.recorder.Take(), canary, e.script == nil)...)
}

// expanded is w with its placeholders filled in.
func (w want) expanded(v values) (want, error) {
	var fault error
	fill := func(s string) string {
		out, err := v.expand(s)
		if err != nil {
			fault = err
		}
		return out
	}
	fillAll := func(list []string) (filled []string) {
		for _, s := range list {
			filled = append(filled, fill(s))
		}
		return filled
	}
	out := w
	out.Matches, out.Receives, out.Clear = fillAll(w.Matches), fillAll(w.Receives), fillAll(w.Clear)
	if w.Body != nil {
		out.Body = new(fill(*w.Body))
	}
	if w.Text != nil {
		out.Text = new(fill(*w.Text))
	}
	return out, fault
}

// reply says what is wrong with what the application got.
func (w want) reply(got reply, canary string) (problems []string) {
	is := func(what string, got, want any) {
		if got != want {
			problems = append(problems, fmt.Sprintf("%s is %v, want %v", what, got, want))
		}
	}
	document := faultOf(got.body)
	is("the status", got.status, w.Status)
	is("the error's code", strconv.Quote(document.Code), strconv.Quote(w.Code))
	if w.Param != nil {
		is("the error's param", strconv.Quote(document.Param), strconv.Quote(*w.Param))
	}
	is("whether the reply is broken", got.broken != nil, w.Broken)
	for name, value := range w.Header {
		is("the header "+name, strconv.Quote(strings.Join(got.header.Values(name), ", ")), strconv.Quote(value))
	}
	if w.Body != nil {
		is("the body", strconv.Quote(string(got.body)), strconv.Quote(*w.Body))
	}
	if w.Text != nil {
		is("the text", strconv.Quote(contentOf(got.body)), strconv.Quote(*w.Text))
	}
	for _, expression := range w.Matches {
		problems = append(problems, matches("the body", got.body, expression)...)
	}
	if w.Code == "" {
		return problems
	}
	for _, form := range wire.Leaks(got.body, canary) {
		problems = append(problems, "the canary is in the error: "+form)
	}
	return problems
}

func matches(what string, text []byte, expression string) []string {
	re, err := regexp.Compile(expression)
	if err != nil {
		return []string{err.Error()}
	}
	if !re.Match(text) {
		return []string{fmt.Sprintf("%s does not match %q: %q", what, expression, text)}
	}
	return nil
}

// upstream says what is wrong with what crossed the wire. A script sends what it
// likes; the enclave must not send the canary back in clear either.
func (w want) upstream(seen []wire.Conversation, canary string, honest bool) (problems []string) {
	received := 0
	var chats []chat
	for _, c := range seen {
		received += len(c.Received)
		more, err := chatsIn(c.Received)
		if err != nil {
			problems = append(problems, "what reached the upstream is no HTTP: "+err.Error())
		}
		chats = append(chats, more...)
		if len(w.Clear) == 0 {
			problems = append(problems, leaks("the canary reached the upstream", c.Received, canary)...)
		}
		if honest && len(w.Clear) == 0 {
			problems = append(problems, leaks("the canary came back in clear", c.Sent, canary)...)
		}
	}
	switch want, err := strconv.Atoi(w.Upstream); {
	case w.Upstream == "nothing" && received > 0:
		problems = append(problems, fmt.Sprintf("%d bytes reached the upstream, want none", received))
	case w.Upstream == "nothing":
	case err != nil:
		problems = append(problems, fmt.Sprintf("upstream: %q is neither \"nothing\" nor a number of chats", w.Upstream))
	case len(chats) != want:
		problems = append(problems, fmt.Sprintf("%d chats reached the upstream, want %d", len(chats), want))
	}
	for _, chat := range chats {
		problems = append(problems, chat.judge(w, canary)...)
	}
	return problems
}

func leaks(what string, text []byte, canary string) (problems []string) {
	for _, form := range wire.Leaks(text, canary) {
		problems = append(problems, what+": "+form)
	}
	return problems
}

// judge says what is wrong with one chat as it reached the upstream.
func (c chat) judge(w want, canary string) (problems []string) {
	for _, expression := range w.Receives {
		problems = append(problems, matches("the chat", append(c.head, c.body...), expression)...)
	}
	if len(w.Clear) == 0 {
		return problems
	}
	problems = leaks("the canary is in the head", c.head, canary)
	places, err := clearPlaces(c.body, canary)
	if err != nil {
		return append(problems, "the chat is no JSON: "+err.Error())
	}
	if !slices.Equal(places, slices.Sorted(slices.Values(w.Clear))) {
		problems = append(problems, fmt.Sprintf("the canary is in clear at %q, want %q", places, w.Clear))
	}
	return problems
}

// faultOf is sealcar's error document, alone or at the end of a stream.
func faultOf(body []byte) (fault struct{ Type, Code, Param string }) {
	text := string(body)
	if i := strings.LastIndex("\n"+text, "\ndata: "); i >= 0 {
		text = strings.TrimPrefix(text[i:], "data: ")
	}
	var document struct {
		Error struct{ Type, Code, Param string }
	}
	if json.Unmarshal([]byte(text), &document) != nil || document.Error.Type != "sealcar_error" {
		return fault
	}
	return document.Error
}

// contentOf is the content of the first choice of a completion or of a complete
// stream of its chunks.
func contentOf(body []byte) string {
	type choice struct {
		Index          int
		Message, Delta struct{ Content string }
	}
	text := ""
	for line := range strings.Lines(string(body)) {
		var document struct{ Choices []choice }
		_ = json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &document) // what cannot be read has no content
		for _, c := range document.Choices {
			if c.Index == 0 {
				text += c.Message.Content + c.Delta.Content
			}
		}
	}
	return text
}

// isCertificate says whether a request is for the endpoint's certificate.
func isCertificate(path string) bool { return path == ark.CertificatePath }
