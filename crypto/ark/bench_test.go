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

	"sealcar/crypto/ark"
)

const chatBytes = 256 // the vendor's own figure is for a message of this size

// BenchmarkChatInline is the client half of one chat: a session, a message
// sealed, a reply opened. BenchmarkFloor is what no implementation can go below
// without keys made ahead of time.
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
