package ark_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

// sentence is text as chats have it: a line end now and then, and a few
// characters that are no ASCII.
const sentence = `The quick brown fox says \"hello\" to the café's owners, who do not mind at all.\n`

// turns is a chat of n messages of at least size bytes each.
func turns(n, size int) string {
	message := `{"role":"user","content":"` + strings.Repeat(sentence, size/len(sentence)+1) + `"}`
	return `{"model":"m","messages":[` + strings.Repeat(message+",", n-1) + message + `]}`
}

// imageChat is a chat with an image of size bytes in base64.
func imageChat(size int) string {
	return `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},` +
		`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("iVBORw0KGgo+", size/12) + `"}}]}]}`
}

// BenchmarkSealLarge reads and seals large chats. Beside each is its floor: one
// GCM pass, one base64 pass, as the standard library does them, and one copy, of
// the same bytes into memory that is there already.
func BenchmarkSealLarge(b *testing.B) {
	for name, body := range map[string]string{
		"1MiB-turns": turns(1000, 1000),
		"4MiB-image": imageChat(4 << 20),
	} {
		b.Run(name, func(b *testing.B) { benchmarkSeal(b, body) })
		b.Run(name+"-floor", func(b *testing.B) {
			block, err := aes.NewCipher(make([]byte, 32))
			if err != nil {
				b.Fatal(err)
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				b.Fatal(err)
			}
			nonce, copied := make([]byte, 12), make([]byte, len(body))
			raw := make([]byte, 0, len(body)+16)
			text := make([]byte, base64.StdEncoding.EncodedLen(cap(raw)))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				copy(copied, body)
				raw = aead.Seal(raw[:0], nonce, copied, nil)
				base64.StdEncoding.Encode(text, raw)
			}
		})
	}
}

// BenchmarkSealGrowth shows whether the time is linear: the ns/byte and ns/turn
// of each line should be alike.
func BenchmarkSealGrowth(b *testing.B) {
	for size := 256; size <= 16<<20; size *= 16 {
		b.Run(fmt.Sprintf("bytes-%d", size), func(b *testing.B) {
			benchmarkSeal(b, turns(1, size))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/byte")
		})
	}
	for _, n := range []int{1, 10, 100, 2000} {
		b.Run(fmt.Sprintf("turns-%d", n), func(b *testing.B) {
			benchmarkSeal(b, turns(n, 200))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/turn")
		})
	}
}

func benchmarkSeal(b *testing.B, text string) {
	b.Helper()
	client, _ := newPair(b)
	body := []byte(text)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ark.SealChat(client, body); err != nil {
			b.Fatal(err)
		}
	}
}
