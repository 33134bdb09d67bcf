package ark_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"sealcar/crypto/ark"
)

const chatBytes = 256 // the vendor's own figure is for a message of this size

// BenchmarkChatPrepared is what a chat of a message and a reply waits for: its
// keys were made ahead, and are refilled off the clock. BenchmarkChatInline is the
// same when there are none left, BenchmarkFloor what it cannot go below then.
func BenchmarkChatPrepared(b *testing.B) {
	server := newKey(b, ecdh.P256()).PublicKey()
	sessions := ark.NewSessions(ark.SessionsConfig{})
	b.Cleanup(sessions.Close)
	message := make([]byte, chatBytes)
	var sealed, opened []byte
	left := 0
	b.ReportAllocs()
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			left = stockUp(b, sessions, server)
			b.StartTimer()
		}
		left--
		s, err := sessions.New(server)
		if err != nil {
			b.Fatal(err)
		}
		sealed = s.Seal(sealed[:0], message)
		if opened, err = s.Open(opened[:0], sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// stockUp fills the stock for peer to its limit, and gives how many may be taken
// before it is filled up again, on the clock.
func stockUp(t testing.TB, s *ark.Sessions, peer *ecdh.PublicKey) int {
	t.Helper()
	const ahead = 256
	for s.Ready(peer) < ahead {
		if s.Ready(peer) == 0 { // asking more often than it can serve makes it grow
			newSession(t, s, peer)
		}
		for s.Filling(peer) {
			time.Sleep(100 * time.Microsecond)
		}
		for n := s.Ready(peer); n > 0 && n < ahead; n-- {
			newSession(t, s, peer)
		}
	}
	return ahead/2 - 1
}

// BenchmarkChatInline is the client half of one chat: a session, a message
// sealed, a reply opened.
func BenchmarkChatInline(b *testing.B) {
	server, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, chatBytes)
	var sealed, opened []byte
	b.ReportAllocs()
	for b.Loop() {
		s, err := ark.NewSession(server.PublicKey())
		if err != nil {
			b.Fatal(err)
		}
		sealed = s.Seal(sealed[:0], message)
		if opened, err = s.Open(opened[:0], sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloor is key generation, ECDH, HKDF and two GCM operations, and
// nothing else: no token, no base64.
func BenchmarkFloor(b *testing.B) {
	server, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, chatBytes)
	var sealed, opened []byte
	b.ReportAllocs()
	for b.Loop() {
		key, _ := ecdh.P256().GenerateKey(rand.Reader)
		shared, _ := key.ECDH(server.PublicKey())
		okm, _ := hkdf.Key(sha256.New, shared, nil, "", 44)
		block, _ := aes.NewCipher(okm[:32])
		aead, _ := cipher.NewGCM(block)
		sealed = aead.Seal(sealed[:0], okm[32:], message, nil)
		if opened, err = aead.Open(opened[:0], okm[32:], sealed, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenJoined(b *testing.B) {
	client, enclave := newPair(b)
	for name, sealed := range map[string][]byte{
		"one-1KiB":             client.Seal(nil, make([]byte, 1024)),
		"unpadded-1000x20B":    sealInPieces(client, make([]byte, 20_000), []byte{20}),
		"unpadded-40x254B":     sealInPieces(client, make([]byte, 254*40), []byte{254}),
		"garbage-64KiB-base64": base64.StdEncoding.AppendEncode(nil, bytes.Repeat([]byte{7}, 48<<10)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(sealed)))
			var opened []byte
			for b.Loop() {
				if out, err := enclave.OpenJoined(opened[:0], sealed); err == nil {
					opened = out
				}
			}
		})
	}
}
