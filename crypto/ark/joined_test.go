package ark_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

// openNaively is the plain reading of the protocol: the next ciphertext is the
// shortest beginning that opens. Its cost is quadratic, so it serves tests alone.
func openNaively(s *ark.Session, sealed []byte) ([]byte, error) {
	var text []byte
	for end := 4; end <= len(sealed); end += 4 {
		piece, err := s.Open(nil, sealed[:end])
		if err != nil {
			continue
		}
		text, sealed, end = append(text, piece...), sealed[end:], 0
		if len(sealed) == 0 {
			return text, nil
		}
	}
	return nil, ark.ErrOpen
}

// sealInPieces cuts text after each of the given numbers of bytes, over and over,
// and joins the sealed pieces.
func sealInPieces(s *ark.Session, text, cuts []byte) []byte {
	sealed := make([]byte, 0, 64)
	for i := 0; len(text) > 0 || i == 0; i++ {
		n := len(text)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)]))
		}
		if n == 0 && i >= len(cuts) { // cuts of nothing, all of them
			n = min(len(text), 1)
		}
		sealed, text = s.Seal(sealed, text[:n]), text[n:]
	}
	return sealed
}

func FuzzOpenJoined(f *testing.F) {
	client, enclave := newPair(f)
	f.Add([]byte("hello, world"), []byte{2}, uint16(0))
	f.Add([]byte("hello, world"), []byte{5, 2, 0, 1}, uint16(7))
	f.Add([]byte(strings.Repeat("你好🙂", 30)), []byte{3, 17, 50}, uint16(0))
	f.Add([]byte{}, []byte{}, uint16(1))
	f.Fuzz(func(t *testing.T, text, cuts []byte, alter uint16) {
		if len(text) > 2048 {
			t.Skip("the reference is quadratic")
		}
		sealed := sealInPieces(client, text, cuts)
		got, err := enclave.OpenJoined(nil, sealed)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("opened as %q, %v, want %q", got, err, text)
		}
		sealed[int(alter)%len(sealed)] ^= byte(alter>>8) | 1
		checkAgainstReference(t, enclave, sealed)
	})
}

func FuzzOpenJoined_Junk(f *testing.F) {
	v := readVectors(f)
	session, _ := v.both(f, "kat")
	for _, c := range v.Joined {
		f.Add([]byte(c.Sealed))
	}
	for _, c := range v.Refused {
		f.Add([]byte(c.Sealed))
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if len(sealed) > 4096 {
			t.Skip("the reference is quadratic")
		}
		checkAgainstReference(t, session, sealed)
	})
}

func checkAgainstReference(t *testing.T, s *ark.Session, sealed []byte) {
	t.Helper()
	want, wantErr := openNaively(s, sealed)
	got, err := s.OpenJoined(nil, sealed)
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Fatalf("opened as %q, %v; the reference: %q, %v", got, err, want, wantErr)
	}
	if err != nil && !errors.Is(err, ark.ErrOpen) {
		t.Fatalf("error %v is no ErrOpen", err)
	}
}

// The finder's GHASH against crypto/cipher: a ciphertext of any length is found
// to end where it ends, and one that must run on is found before what follows.
func TestFinder_AgreesWithGCM(t *testing.T) {
	t.Parallel()
	for range 5 { // keys
		client, _ := newPair(t)
		for size := range 200 {
			raw := rawSeal(t, client, size)
			if n, _ := client.Shortest(raw); n != len(raw) {
				t.Fatalf("%d bytes sealed: found an end at %d of %d", size, n, len(raw))
			}
			want := 0
			if len(raw)%3 == 0 {
				want = len(raw)
			}
			if n, _ := client.Shortest(append(raw, make([]byte, 40)...)); n != want {
				t.Fatalf("%d bytes sealed, then zeros: found an end at %d, want %d", size, n, want)
			}
		}
	}
}

func rawSeal(t testing.TB, s *ark.Session, size int) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(string(s.Seal(nil, bytes.Repeat([]byte{'x'}, size))))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestT33_ManyPiecesCostOneOpenEach(t *testing.T) {
	t.Parallel()
	const pieces = 50_000
	tests := map[string]struct {
		sizes []int // of the pieces' plaintexts, in turn
		opens int   // allowed, beside one for each piece
	}{
		"none padded":         {[]int{2}, 1}, // the whole is tried first
		"all padded":          {[]int{3}, 0},
		"every second padded": {[]int{2, 3}, pieces / 2},
		"one padded at last":  {[]int{5, 8, 2}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, enclave := newPair(t)
			var sealed, want []byte
			for i := range pieces {
				text := []byte("0123456789")[:test.sizes[i%len(test.sizes)]]
				sealed, want = client.Seal(sealed, text), append(want, text...)
			}
			opens := enclave.CountOpens()
			got, err := enclave.OpenJoined(nil, sealed)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("opened as %d bytes, want %d, %v", len(got), len(want), err)
			}
			if *opens > pieces+test.opens {
				t.Errorf("%d tries of GCM for %d pieces", *opens, pieces)
			}
		})
	}
}

func TestT33_GarbageCostsLinearWork(t *testing.T) {
	t.Parallel()
	client, _ := newPair(t)
	garbage := make([]byte, 768<<10) // 1 MiB as base64
	_, _ = rand.Read(garbage)        // never fails, see crypto/rand

	// One multiplication a block, two for each of the 16/3 candidates in it.
	if n, work := client.Shortest(garbage); n != 0 || work > len(garbage) {
		t.Errorf("found an end at %d with %d multiplications on %d bytes", n, work, len(garbage))
	}
	opens := client.CountOpens()
	_, err := client.OpenJoined(nil, base64.StdEncoding.AppendEncode(nil, garbage))
	if !errors.Is(err, ark.ErrOpen) || *opens != 1 {
		t.Errorf("%d tries of GCM, %v", *opens, err)
	}
}

// Opening piece by piece must not copy what was opened before.
func TestT33_PiecesDoNotAllocate(t *testing.T) { // not parallel: AllocsPerRun
	client, enclave := newPair(t)
	for name, size := range map[string]int{"none padded": 2, "all padded": 3} {
		var sealed []byte
		for range 1000 {
			sealed = client.Seal(sealed, make([]byte, size))
		}
		allocs := testing.AllocsPerRun(5, func() {
			if _, err := enclave.OpenJoined(nil, sealed); err != nil {
				t.Error(err)
			}
		})
		if allocs > 10 {
			t.Errorf("%s: %v allocations for 1000 pieces", name, allocs)
		}
	}
}
