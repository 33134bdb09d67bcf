package responses_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/exchange"
	"sealcar/test/dialectrig"
)

// BenchmarkRequest is a request of 1 KiB and its reply, translated both ways.
func BenchmarkRequest(b *testing.B) {
	text := strings.Repeat("x", 1<<10)
	body := `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"` + text + `"}]}]}`
	benchmark(b, body, "application/json", completionOf(`{"content":"`+text+`"}`, `"stop"`))
}

// BenchmarkImage is a request with an image of 4 MiB.
func BenchmarkImage(b *testing.B) {
	body := `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,` + strings.Repeat("A", 4<<20) + `"}]}]}`
	benchmark(b, body, "application/json", whole)
}

// BenchmarkStream is a stream of 1000 words; divide by that for one event.
func BenchmarkStream(b *testing.B) {
	benchmark(b, streaming, "text/event-stream", strings.Repeat(chunk(`{"content":" word"}`, "null"), 1000)+chunk(`{}`, `"stop"`)+usageChunk+theEnd)
}

func benchmark(b *testing.B, body, kind, reply string) {
	b.Helper()
	ctx := exchange.With(b.Context(), new(exchange.Record))
	b.SetBytes(int64(len(body) + len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		resp, err := transport(dialectrig.Answering(kind, reply)).RoundTrip(post(ctx, b, body))
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
	}
}
