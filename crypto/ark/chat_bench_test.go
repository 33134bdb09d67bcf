package ark_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

// BenchmarkTransport is the client half of whole chats, key agreement included,
// without a network: what is read, judged and sealed of requests, and what is
// read and opened of replies.
func BenchmarkTransport(b *testing.B) {
	const tool = `{"type":"function","function":{"name":"weather","description":"the weather in a city","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}`
	turns := strings.Repeat(`{"role":"user","content":"`+strings.Repeat("word ", 20)+`"},{"role":"assistant","content":"`+strings.Repeat("word ", 20)+`"},`, 20)
	image := `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("iVBORw0K", 1<<17) + `"}}]},`
	end := `{"role":"user","content":"hello"}]`
	for name, c := range map[string]struct {
		body   string
		events int // of the reply; 0 is no stream
	}{
		"short":     {`{"model":"m","temperature":0.5,"messages":[` + end + `}`, 0},
		"40 turns":  {`{"model":"m","temperature":0.5,"messages":[` + turns + end + `}`, 0},
		"20 tools":  {`{"model":"m","messages":[` + end + `,"tools":[` + strings.Repeat(tool+",", 19) + tool + `]}`, 0},
		"image":     {`{"model":"m","messages":[` + image + end + `}`, 0},
		"1k events": {`{"model":"m","stream":true,"messages":[` + end + `}`, 1000},
	} {
		b.Run(name, func(b *testing.B) {
			e := newEndpoint(b)
			transport := &ark.Transport{Base: e.answering(b, c.events), Certificates: e}
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				req, _ := post(b, "https://upstream.example", chatPath, c.body)
				if _, _, err := roundTrip(transport, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// answering answers each chat with a word, or a stream of as many events.
func (e *endpoint) answering(b testing.TB, events int) roundTripperFunc {
	b.Helper()
	return func(req *http.Request) (*http.Response, error) {
		session, err := ark.AcceptSession(e.key, req.Header.Get("X-Session-Token"))
		if err != nil {
			return nil, err
		}
		head := `{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,`
		word := string(session.Seal(nil, []byte("word ")))
		contentType, body := "application/json", head+`"message":{"role":"assistant","content":"`+word+`"},"finish_reason":"stop"}],"usage":{"total_tokens":3}}`
		if events > 0 {
			contentType = "text/event-stream"
			body = strings.Repeat("data: "+head+`"delta":{"content":"`+word+`"},"finish_reason":null}]}`+"\n\n", events) +
				"data: " + head + `"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}
