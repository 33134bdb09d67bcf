package ark

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"slices"
)

// OpenJoined appends the plaintexts of one or several ciphertexts to dst: the
// endpoint may join the pieces of a reply without any separator. The base64 of
// a piece ends at its padding; a piece without padding, whose raw length is a
// multiple of three, runs into the next one, and only its tag tells where it
// ends. The cost is linear in len(sealed), whatever it holds. The spare capacity
// of dst must not overlap sealed. The error is an ErrOpen.
func (s *Session) OpenJoined(dst, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, errShort
	}
	dst = slices.Grow(dst, base64.StdEncoding.DecodedLen(len(sealed)))
	for len(sealed) > 0 {
		end := paddedEnd(sealed)
		out, err := s.Open(dst, sealed[:end]) // nearly always it is a single piece
		if errors.Is(err, errTag) {
			out, err = s.openRun(dst, sealed[:end])
		}
		if err != nil {
			return nil, err
		}
		dst, sealed = out, sealed[end:]
	}
	return dst, nil
}

// paddedEnd is where the first padding of text ends, or its length.
func paddedEnd(text []byte) int {
	i := bytes.IndexByte(text, '=')
	if i < 0 {
		return len(text)
	}
	if i+1 < len(text) && text[i+1] == '=' {
		return i + 2
	}
	return i + 1
}

// openRun opens ciphertexts that were joined without padding between them.
func (s *Session) openRun(dst, sealed []byte) ([]byte, error) {
	raw, err := appendDecoded(nil, sealed)
	if err != nil {
		return nil, err
	}
	for find := newFinder(s.block, s.nonce); len(raw) > 0; {
		n := find.shortest(raw)
		if n == 0 {
			return nil, errSplit
		}
		// The finder only proposes: what is authentic, crypto/cipher decides.
		if dst, err = s.aead.Open(dst, s.nonce[:], raw[:n], nil); err != nil {
			return nil, errSplit
		}
		raw = raw[n:]
	}
	return dst, nil
}

// finder finds where a ciphertext ends. Trying GCM on every possible beginning
// costs the square of the length; but the tag of a beginning is its GHASH, which
// grows by one multiplication a block, closed with its length and masked:
//
//	tag = GHASH(ciphertext || length) ^ E(nonce || 1)     (SP 800-38D, 7.1)
//
// so each further candidate costs two multiplications more, however long it is.
type finder struct {
	hash ghashKey
	mask fieldElement // E(nonce || 1)
	work int          // multiplications done: what the tests hold against the length
}

func newFinder(block cipher.Block, nonce [nonceSize]byte) *finder {
	var h, counter [blockSize]byte
	block.Encrypt(h[:], h[:])
	copy(counter[:], nonce[:])
	counter[blockSize-1] = 1
	block.Encrypt(counter[:], counter[:])
	return &finder{hash: newGHASHKey(h), mask: loadElement(counter[:])}
}

// shortest is the length of the shortest ciphertext, with its tag, that raw
// begins with; 0 if there is none. Any but the last must be a multiple of three
// long: else its base64 would have been padded.
func (f *finder) shortest(raw []byte) int {
	if len(raw) < tagSize {
		return 0
	}
	var state fieldElement // GHASH of the whole blocks so far
	hashed := 0
	for n := min(shortestUnpadded, len(raw)); n <= len(raw); n = nextCandidate(n, len(raw)) {
		size := n - tagSize
		for ; hashed+blockSize <= size; hashed += blockSize {
			state = f.mul(state.xor(loadElement(raw[hashed : hashed+blockSize])))
		}
		sum := state
		if hashed < size {
			sum = f.mul(sum.xor(loadElement(raw[hashed:size])))
		}
		sum = f.mul(sum.xor(fieldElement{lo: uint64(size) * 8})) //nolint:gosec // size is not negative
		if sum.xor(f.mask) == loadElement(raw[size:n]) {
			return n
		}
	}
	return 0
}

// shortestUnpadded is the least raw length, tag and all, without padding.
const shortestUnpadded = 18

// nextCandidate steps by three, and takes the end of raw as it comes.
func nextCandidate(n, end int) int {
	if n < end {
		return min(n+3, end)
	}
	return end + 1
}

func (f *finder) mul(e fieldElement) fieldElement {
	f.work++
	return f.hash.mul(e)
}
