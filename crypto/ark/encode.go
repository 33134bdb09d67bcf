package ark

import (
	"encoding/base64"
	"slices"

	simd "github.com/segmentio/asm/base64"
)

// Ciphertext is made in the spare capacity of the slice that its base64 is
// appended to, a gap behind the slice's end, and encoded from there: text grows
// by a third, so a gap of a third of the ciphertext is enough to never reach what
// is still to be read. Nothing is copied and no other memory is needed.

// shortGap is what the gap has beyond that third, so that the last of a long
// ciphertext is encoded in pieces of a good size, and a short one in one piece.
const shortGap = 4 << 10

// gapFor is the gap for the ciphertext of size bytes of plaintext or fewer.
func gapFor(size int) int {
	size += tagSize
	return min(base64.StdEncoding.EncodedLen(size), size/3+shortGap)
}

// SealRoom is the spare capacity that sealing size bytes of plaintext takes, or
// fewer. It is more than what is appended.
func SealRoom(size int) int { return gapFor(size) + size + tagSize }

// appendEncoded appends the base64 of raw, a ciphertext, to dst and gives its
// tag. raw may lie in the spare capacity of dst, gap bytes behind its end; it is
// overwritten then.
func appendEncoded(dst, raw []byte, gap int) ([]byte, tag) {
	t := tagOf(raw)
	for len(raw) > 0 {
		n := min(len(raw), gap/4*3) // whole groups, whose text ends before raw begins
		start, end := len(dst), len(dst)+base64.StdEncoding.EncodedLen(n)
		dst = slices.Grow(dst, end-start)[:end]
		simd.StdEncoding.Encode(dst[start:], raw[:n])
		raw, gap = raw[n:], gap-n/3
	}
	return dst, t
}
