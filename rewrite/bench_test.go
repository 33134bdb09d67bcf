package rewrite_test

import (
	"fmt"
	"strings"
	"testing"

	"sealcar/rewrite"
)

// imageDocument is a request whose content has a text part and a data: image.
func imageDocument(size int) []byte {
	return []byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},` +
		`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("iVBORw0KGgo+", size/12) + `"}}]}]}`)
}

func imageShape() *rewrite.Shape {
	s := chat()
	s.Fields["messages"].Items.Fields["content"].Items.Fields["image_url"] = &rewrite.Shape{
		Fields: map[string]*rewrite.Shape{"url": {Name: "url"}},
	}
	return s
}

func BenchmarkScanSplice(b *testing.B) {
	for _, bench := range []struct {
		name string
		doc  []byte
	}{
		{"1KiB", chatDocument(1 << 10)},
		{"1MiB", chatDocument(1 << 20)},
		{"4MiB-image", imageDocument(4 << 20)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.doc)))
			shape := imageShape()
			var s rewrite.Scanner
			var spans []rewrite.Span
			var text, out []byte
			for b.Loop() {
				spans = spans[:0]
				err := s.Scan(bench.doc, shape, func(v rewrite.Value) error {
					if v.Kind == '"' && v.Name != "model" {
						spans = append(spans, rewrite.Span{Start: v.Start, End: v.End})
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				out, err = rewrite.Splice(out[:0], bench.doc, spans, func(dst, value []byte) ([]byte, error) {
					if text, err = rewrite.Unquote(text[:0], value); err != nil {
						return dst, err
					}
					return rewrite.Quote(dst, text)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	doc, shape := chatDocument(1<<10), chat()
	b.ReportAllocs()
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if err := rewrite.Scan(doc, shape, func(rewrite.Value) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	for _, bench := range []struct {
		name   string
		size   int
		change bool
	}{{"unchanged", 256, false}, {"changed", 256, true}, {"changed-1MiB", 1 << 20, true}} {
		b.Run(bench.name, func(b *testing.B) {
			event := fmt.Sprintf("data: {\"content\":%q}\n\n", strings.Repeat("x", bench.size))
			body := &endless{event: event}
			data := func(dst, data []byte) ([]byte, bool, error) {
				if !bench.change {
					return dst, false, nil
				}
				return append(dst, data...), true, nil
			}
			r := events(body, rewrite.EventConfig{Data: data})
			p := make([]byte, 32<<10)
			b.ReportAllocs()
			b.SetBytes(int64(len(event)))
			for b.Loop() {
				for n := 0; n < len(event); {
					k, err := r.Read(p)
					if err != nil {
						b.Fatal(err)
					}
					n += k
				}
			}
		})
	}
}

// endless gives the same event for ever.
type endless struct {
	event string
	rest  string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.event
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}
