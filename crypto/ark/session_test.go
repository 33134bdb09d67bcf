package ark_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"sealcar/crypto/ark"
)

// newPair gives both halves of a fresh session.
func newPair(t testing.TB) (client, enclave *ark.Session) {
	t.Helper()
	server, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = ark.NewSession(server.PublicKey()); err != nil {
		t.Fatal(err)
	}
	if enclave, err = ark.AcceptSession(server, client.Token()); err != nil {
		t.Fatal(err)
	}
	return client, enclave
}

func TestSession_BothHalvesAgree(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	if client.Token() != enclave.Token() {
		t.Error("the halves have different tokens")
	}
	for _, text := range []string{"", "a", "你好", strings.Repeat("long ", 1000)} {
		for name, way := range map[string][2]*ark.Session{"request": {client, enclave}, "reply": {enclave, client}} {
			got, err := way[1].Open(nil, way[0].Seal(nil, []byte(text)))
			if err != nil || string(got) != text {
				t.Errorf("%s of %d bytes: opened as %d bytes, %v", name, len(text), len(got), err)
			}
		}
	}
}

func TestSession_AppendsToWhatIsThere(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	for _, spare := range []int{0, 1, 20, 1000} {
		before := append(make([]byte, 0, 4+spare), "old "...)
		sealed := client.Seal(before, []byte("new"))
		if !bytes.HasPrefix(sealed, []byte("old ")) || !ark.LooksSealed(sealed[4:]) {
			t.Errorf("%d bytes spare: sealed as %q", spare, sealed)
		}
		for name, open := range map[string]func(dst, sealed []byte) ([]byte, error){
			"Open": enclave.Open, "OpenJoined": enclave.OpenJoined,
		} {
			before := append(make([]byte, 0, 4+spare), "old "...)
			got, err := open(before, sealed[4:])
			if err != nil || string(got) != "old new" {
				t.Errorf("%s with %d bytes spare: %q, %v", name, spare, got, err)
			}
		}
	}
}

func TestSession_DoesNotAllocateGivenRoom(t *testing.T) { // not parallel: AllocsPerRun
	client, enclave := newPair(t)
	plaintext := bytes.Repeat([]byte("x"), 256)
	room, back := make([]byte, 0, len(plaintext)*7/3+40), make([]byte, 0, 2*len(plaintext))
	allocs := testing.AllocsPerRun(100, func() {
		sealed := client.Seal(room, plaintext)
		if _, err := enclave.Open(back, sealed); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestSession_ConcurrentUse(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	joined := append(client.Seal(nil, []byte("ab")), client.Seal(nil, []byte("cd"))...)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := enclave.Open(nil, client.Seal(nil, []byte("text"))); err != nil {
					t.Error(err)
				}
				if _, err := enclave.OpenJoined(nil, joined); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// What this documents: one key and nonce serve every string of a request and
// its reply, so whoever knows the beginning of one field knows as much of every
// other. No client can repair that; SECURITY.md says what follows from it.
func TestT2_NonceReuseAttack(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	const (
		systemPrompt = "You are a helpful assistant. Answer briefly and in good English." // public: 64 bytes
		question     = "My account is 6222-0212-3456-7890 and my pin code is 4711, help!"
		answer       = "Never share the pin 4711 of account 6222-0212-3456-7890 at all! "
	)
	wire := func(s *ark.Session, text string) []byte { // what a TLS terminator sees
		raw, err := base64.StdEncoding.DecodeString(string(s.Seal(nil, []byte(text))))
		if err != nil {
			t.Fatal(err)
		}
		return raw[:len(text)]
	}
	keystream := xor(wire(client, systemPrompt), []byte(systemPrompt))
	for name, c := range map[string]struct {
		sealed []byte
		want   string
	}{
		"another message of the request": {wire(client, question), question},
		"the reply":                      {wire(enclave, answer), answer},
	} {
		if got := string(xor(c.sealed, keystream)); got != c.want {
			t.Errorf("%s is not revealed: the protocol is better than SECURITY.md says: %q", name, got)
		}
	}
}

func xor(a, b []byte) []byte {
	out := make([]byte, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] ^ b[i]
	}
	return out
}

func TestT3_TokensAreUnique(t *testing.T) {
	t.Parallel()
	count := 100_000
	if testing.Short() {
		count = 1_000
	}
	server, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]struct{}, count)
	for range count {
		s, err := ark.NewSession(server.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		seen[s.Token()] = struct{}{}
	}
	if len(seen) != count {
		t.Errorf("%d sessions have only %d tokens", count, len(seen))
	}
}

func TestT7_KeysOfOtherCurves(t *testing.T) {
	t.Parallel()
	client, _ := newPair(t)
	for _, curve := range []ecdh.Curve{ecdh.P384(), ecdh.P521(), ecdh.X25519()} {
		key, err := curve.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ark.NewSession(key.PublicKey()); err == nil {
			t.Errorf("NewSession takes a key on %v", curve)
		}
		if _, err := ark.AcceptSession(key, client.Token()); err == nil {
			t.Errorf("AcceptSession takes a key on %v", curve)
		}
	}
}

func TestT7_TokenErrorsDoNotQuoteTheToken(t *testing.T) {
	t.Parallel()
	client, _ := newPair(t)
	for _, token := range []string{"canary", "canary" + client.Token()[6:], strings.Repeat("canary!!", 11)} {
		if err := ark.CheckToken(token); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestT8_EveryBitIsAuthenticated(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	for _, text := range []string{"", "hello", "more than one block of text"} {
		raw, err := base64.StdEncoding.DecodeString(string(client.Seal(nil, []byte(text))))
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(raw) {
			raw[bit/8] ^= 1 << (bit % 8)
			sealed := base64.StdEncoding.AppendEncode(nil, raw)
			raw[bit/8] ^= 1 << (bit % 8)
			if got, err := enclave.Open(nil, sealed); !errors.Is(err, ark.ErrOpen) || got != nil {
				t.Errorf("%q, bit %d flipped: opened as %q, %v", text, bit, got, err)
			}
			if got, err := enclave.OpenJoined(nil, sealed); !errors.Is(err, ark.ErrOpen) || got != nil {
				t.Errorf("%q, bit %d flipped: opened, joined, as %q, %v", text, bit, got, err)
			}
		}
	}
}

func TestT8_TenMebibytes(t *testing.T) {
	t.Parallel()
	client, enclave := newPair(t)
	text := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
	sealed := client.Seal(nil, text)
	if !ark.LooksSealed(sealed) {
		t.Error("does not look sealed")
	}
	got, err := enclave.Open(nil, sealed)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("opened as %d bytes, %v", len(got), err)
	}
}

// The token's own Y never enters the key: a token with the point negated gives
// the same session. Harmless (it reveals nothing), but a token is no identity.
func TestT10_NegatedTokenGivesTheSameKey(t *testing.T) {
	t.Parallel()
	server, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ark.NewSession(server.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	point, err := base64.StdEncoding.DecodeString(client.Token())
	if err != nil {
		t.Fatal(err)
	}
	prime, _ := new(big.Int).SetString("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16)
	y := new(big.Int).SetBytes(point[33:])
	prime.Sub(prime, y).FillBytes(point[33:])
	negated := base64.StdEncoding.EncodeToString(point)
	if negated == client.Token() {
		t.Fatal("the point was not negated")
	}
	enclave, err := ark.AcceptSession(server, negated)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := enclave.Open(nil, client.Seal(nil, []byte("text"))); err != nil || string(got) != "text" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

// LooksSealed decodes in blocks: faults at and around their borders must count.
func TestT9_LooksSealedAtEverySize(t *testing.T) {
	t.Parallel()
	client, _ := newPair(t)
	for size := range 1600 {
		sealed := client.Seal(nil, make([]byte, size))
		if !ark.LooksSealed(sealed) {
			t.Fatalf("%d bytes sealed do not look so", size)
		}
		if ark.LooksSealed(sealed[:len(sealed)-1]) || ark.LooksSealed(append(sealed, '\n')) {
			t.Fatalf("%d bytes sealed: other lengths look sealed too", size)
		}
	}
	long := client.Seal(nil, make([]byte, 3000))
	for i := range long {
		for _, fault := range []byte("\n\r -") {
			bad := bytes.Clone(long)
			if bad[i] = fault; ark.LooksSealed(bad) {
				t.Fatalf("with %q at %d it looks sealed", fault, i)
			}
		}
	}
	for end := 4; end < len(long); end += 4 {
		bad := bytes.Clone(long)
		if copy(bad[end-4:], "AA=="); ark.LooksSealed(bad) {
			t.Fatalf("with padding inside, before %d, it looks sealed", end)
		}
	}
}
