package tools_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/translate/tools"
)

// BenchmarkTransport is what moving costs a chat, next to the same chat that
// only passes, and to one that does without: the way to the upstream is empty.
func BenchmarkTransport(b *testing.B) {
	turn := `{"role":"user","content":"` + strings.Repeat("word ", 20) + `"},{"role":"assistant","content":"` + strings.Repeat("word ", 20) + `"},`
	call := `{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"18 degrees"},`
	const hello = `{"role":"user","content":"hello"}`
	list := func(n int) string {
		return `,"tools":[` + strings.TrimSuffix(strings.Repeat(weather+",", n), ",") + `]`
	}
	words := strings.Split(strings.Repeat("word ", 1000), " ")
	for _, c := range []struct {
		name, members, messages string
		upstream                upstream
		events                  int
	}{
		{"no tools", "", hello, upstream{mediaType: "application/json", reply: document("hello")}, 0},
		{"one tool", list(1), hello, upstream{mediaType: "application/json", reply: document("hello")}, 0},
		{"one tool, called", list(1), hello, upstream{mediaType: "application/json", reply: document(rome)}, 0},
		{"20 tools, 40 turns, 10 calls", list(20), strings.Repeat(turn, 20) + strings.Repeat(call, 10) + hello, upstream{mediaType: "application/json", reply: document("hello")}, 0},
		{"1000 events of text", list(1), hello, upstream{mediaType: "text/event-stream", reply: stream(words...)}, len(words)},
		{"1000 events of calls", list(1), hello, upstream{mediaType: "text/event-stream", reply: stream(strings.SplitAfter(strings.Repeat(rome, 250), " ")...)}, 1000},
	} {
		body := `{"model":"m","stream":true` + c.members + `,"messages":[` + c.messages + `]}`
		for _, mode := range []struct {
			name string
			way  func(base http.RoundTripper) http.RoundTripper
		}{
			{"without", func(base http.RoundTripper) http.RoundTripper { return base }},
			{"moved", func(base http.RoundTripper) http.RoundTripper {
				return &tools.Transport{Base: base, Applies: always, Random: constant(7)}
			}},
		} {
			b.Run(fmt.Sprintf("%s/%s", c.name, mode.name), func(b *testing.B) {
				u := c.upstream
				way := mode.way(&u)
				b.ReportAllocs()
				b.SetBytes(int64(len(body) + len(u.reply)))
				for b.Loop() {
					resp, err := way.RoundTrip(post(b, body))
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						b.Fatal(err)
					}
					_ = resp.Body.Close()
				}
				if c.events > 0 {
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.events), "ns/event")
				}
			})
		}
	}
}
