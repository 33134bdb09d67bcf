package ark

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"sealcar/rewrite"
)

// Sizes of the envelope in bytes.
const (
	keySize   = 32 // AES-256
	nonceSize = 12
	tagSize   = 16
)

// ErrOpen says that a text is not a ciphertext of this session: it has not the
// form of one, was altered, or was sealed under other keys. No error of Open or
// OpenJoined holds any of the text.
var ErrOpen = errors.New("sealed text cannot be authenticated")

// The ways a text fails to be a ciphertext, each an ErrOpen.
var (
	errBase64 = fmt.Errorf("%w: it is not standard base64", ErrOpen)
	errShort  = fmt.Errorf("%w: it is shorter than an authentication tag", ErrOpen)
	errTag    = fmt.Errorf("%w: its tag does not match", ErrOpen)
	errSplit  = fmt.Errorf("%w: neither as one nor as several joined", ErrOpen)
)

// Session is the key agreement of one HTTP request: what seals its strings and
// opens those of its reply. Both halves hold an equal one. The protocol fixes
// one nonce for all of them, so a Session must never serve a second request,
// not even a retry with another body. Safe for concurrent use.
type Session struct {
	token string
	nonce [nonceSize]byte
	block cipher.Block // AES-256 under the session key; OpenJoined derives the GHASH key from it
	aead  cipher.AEAD  // GCM over block
}

// NewSession is the client half: it draws a fresh ephemeral key and agrees with
// peer, the key of the endpoint's certificate, which must be on P-256.
func NewSession(peer *ecdh.PublicKey) (*Session, error) {
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("drawing an ephemeral key: %w", err)
	}
	return newSession(ephemeral, peer)
}

func newSession(ephemeral *ecdh.PrivateKey, peer *ecdh.PublicKey) (*Session, error) {
	return agree(ephemeral, peer, encodeToken(ephemeral.PublicKey()))
}

// AcceptSession is the enclave half: key is the private key of the endpoint's
// certificate, on P-256, and token the request's X-Session-Token.
func AcceptSession(key *ecdh.PrivateKey, token string) (*Session, error) {
	peer, err := decodeToken(token)
	if err != nil {
		return nil, err
	}
	return agree(key, peer, token)
}

// agree derives the session: HKDF-SHA256 (RFC 5869) with neither salt nor info
// over the X coordinate of the shared point, first the key, then the nonce.
func agree(private *ecdh.PrivateKey, peer *ecdh.PublicKey, token string) (*Session, error) {
	shared, err := private.ECDH(peer) // refuses keys on two curves; one of them is always on P-256
	if err != nil {
		return nil, fmt.Errorf("agreeing on a session key: %w", err)
	}
	defer clear(shared)
	okm, err := hkdf.Key(sha256.New, shared, nil, "", keySize+nonceSize)
	defer clear(okm)
	if err != nil {
		return nil, fmt.Errorf("deriving the session key: %w", err)
	}
	s := &Session{token: token, nonce: [nonceSize]byte(okm[keySize:])}
	if s.block, err = aes.NewCipher(okm[:keySize]); err != nil {
		return nil, fmt.Errorf("preparing the session cipher: %w", err)
	}
	if s.aead, err = cipher.NewGCM(s.block); err != nil {
		return nil, fmt.Errorf("preparing the session cipher: %w", err)
	}
	return s, nil
}

// Token is the session token: what the client sends as X-Session-Token.
func (s *Session) Token() string { return s.token }

// Seal appends the base64 of plaintext's ciphertext and tag to dst. An empty
// plaintext is sealed too. The spare capacity of dst must not overlap plaintext;
// with SealRoom(len(plaintext)) bytes of it Seal does not allocate.
func (s *Session) Seal(dst, plaintext []byte) []byte {
	dst, _ = s.seal(dst, plaintext)
	return dst
}

func (s *Session) seal(dst, plaintext []byte) ([]byte, tag) {
	gap := gapFor(len(plaintext))
	dst = slices.Grow(dst, SealRoom(len(plaintext)))
	raw := s.aead.Seal(dst[len(dst)+gap:len(dst)+gap], s.nonce[:], plaintext, nil)
	return appendEncoded(dst, raw, gap)
}

// sealString appends the ciphertext of the text of value, a JSON string that was
// scanned. Where the text has to be unquoted, that is done in the spare capacity
// of dst and it is encrypted in its place: no copy of it is left.
func (s *Session) sealString(dst, value []byte) ([]byte, tag, error) {
	if text, ok := rewrite.Verbatim(value); ok {
		dst, t := s.seal(dst, text)
		return dst, t, nil
	}
	gap := gapFor(len(value))
	dst = slices.Grow(dst, SealRoom(len(value)))
	text, err := rewrite.AppendText(dst[len(dst)+gap:len(dst)+gap], value)
	if err != nil {
		return nil, tag{}, err
	}
	dst, t := appendEncoded(dst, s.aead.Seal(text[:0], s.nonce[:], text, nil), gap)
	return dst, t, nil
}

// Open appends the plaintext of one ciphertext to dst. The spare capacity of
// dst must not overlap sealed. The error is an ErrOpen.
func (s *Session) Open(dst, sealed []byte) ([]byte, error) {
	start := len(dst)
	dst, err := appendDecoded(dst, sealed)
	if err != nil {
		return nil, err
	}
	raw := dst[start:]
	if len(raw) < tagSize {
		return nil, errShort
	}
	dst, err = s.aead.Open(dst[:start], s.nonce[:], raw, nil) // in place
	if err != nil {
		return nil, errTag
	}
	return dst, nil
}

// appendDecoded appends what sealed, strict standard base64, encodes. Go's
// decoder skips line breaks; one text must not have several forms, so they are
// refused.
func appendDecoded(dst, sealed []byte) ([]byte, error) {
	if bytes.IndexByte(sealed, '\n') >= 0 || bytes.IndexByte(sealed, '\r') >= 0 {
		return nil, errBase64
	}
	dst, err := base64.StdEncoding.Strict().AppendDecode(dst, sealed)
	if err != nil {
		return nil, errBase64
	}
	return dst, nil
}

// LooksSealed says whether text has the form of a ciphertext: strict standard
// base64 of at least a tag. Without the key no more can be said.
func LooksSealed(text []byte) bool {
	const block = 1024 // characters decoded at a time, so that large texts need no memory
	if len(text) < base64.StdEncoding.EncodedLen(tagSize) {
		return false
	}
	var scratch [block / 4 * 3]byte
	for len(text) > block {
		raw, err := appendDecoded(scratch[:0], text[:block])
		if err != nil || len(raw) != len(scratch) { // shorter: padding before the end
			return false
		}
		text = text[block:]
	}
	_, err := appendDecoded(scratch[:0], text)
	return err == nil
}
