package ark_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/rewrite"
)

// What is appended is the standard library's base64 whatever the size, and
// wherever the ciphertext was made: behind the text in one slice, in which the
// two must never meet.
func TestSeal_IsStandardBase64AtEverySize(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	sizes := []int{12_280, 12_287, 12_288, 12_289, 100_000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 5<<20 + 7}
	for size := range 9000 {
		sizes = append(sizes, size)
	}
	text := bytes.Repeat([]byte("0123456789abcdefg"), 1<<20)
	var sealed, back []byte
	for _, size := range sizes {
		sealed = client.Seal(append(sealed[:0], "before"...), text[:size])
		raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(string(sealed), "before"))
		if err != nil || len(raw) != size+16 {
			t.Fatalf("%d bytes are sealed as %d, %v", size, len(raw), err)
		}
		if back, err = enclave.Open(back[:0], sealed[len("before"):]); err != nil || !bytes.Equal(back, text[:size]) {
			t.Fatalf("%d bytes are opened as %d, %v", size, len(back), err)
		}
	}
}

// No text is sealed in another way because it had escapes, and none of what was
// unquoted on the way is left in memory.
func TestSealString_SealsTheTextAndLeavesNoCopy(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	for _, text := range []string{"", "plain", "\n", "canary \"quoted\"\n", "你好\t", strings.Repeat("canary\n", 3000), strings.Repeat("\n", 20_000), strings.Repeat("canary", 3000) + `\`} {
		t.Run(fmt.Sprintf("%d bytes", len(text)), func(t *testing.T) {
			t.Parallel()
			value, err := rewrite.Quote(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, spare := range []int{0, 100, ark.SealRoom(len(value))} {
				memory := append(make([]byte, 0, spare+1), '"')
				sealed, err := client.SealString(memory, value)
				if err != nil {
					t.Fatal(err)
				}
				got, err := enclave.Open(nil, sealed[1:])
				if err != nil || string(got) != text || !bytes.Equal(sealed[1:], client.Seal(nil, []byte(text))) {
					t.Errorf("opened as %d bytes, %v", len(got), err)
				}
				if bytes.Contains(sealed[:cap(sealed)], []byte("canary")) {
					t.Error("the text is still in memory")
				}
			}
		})
	}
}

// FuzzSeal holds the base64 that is written here against the standard library's,
// and what opens against what was sealed.
func FuzzSeal(f *testing.F) {
	client, enclave := newPair(f)
	for _, text := range []string{"", "a", `"`, "\\\n", strings.Repeat("long ", 1000)} {
		f.Add([]byte(text), uint16(len(text)))
	}
	f.Fuzz(func(t *testing.T, text []byte, spare uint16) {
		sealed := client.Seal(make([]byte, 0, spare), text)
		raw, err := base64.StdEncoding.Strict().DecodeString(string(sealed))
		if err != nil || base64.StdEncoding.EncodeToString(raw) != string(sealed) {
			t.Fatalf("%q is no standard base64: %v", sealed, err)
		}
		if got, err := enclave.Open(nil, sealed); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("opened as %q, %v", got, err)
		}
		value, err := rewrite.Quote(nil, text)
		if err != nil {
			return // not UTF-8
		}
		if again, err := client.SealString(make([]byte, 0, spare), value); err != nil || !bytes.Equal(again, sealed) {
			t.Fatalf("sealed as a string it is %q, %v", again, err)
		}
	})
}
