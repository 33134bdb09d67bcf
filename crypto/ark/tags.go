package ark

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// tag is what authenticates one ciphertext. Under the one key and nonce of a
// session, equal texts have equal tags.
type tag struct{ hi, lo uint64 }

// tagOf is the tag that a ciphertext ends with.
func tagOf(raw []byte) tag {
	raw = raw[len(raw)-tagSize:]
	return tag{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])}
}

func (t tag) compare(other tag) int {
	return cmp.Or(cmp.Compare(t.hi, other.hi), cmp.Compare(t.lo, other.lo))
}

// tagSet holds the tags of a request's ciphertexts, in order once it is complete.
type tagSet []tag

// holds tells whether the ciphertext that text ends with repeats one of the
// request.
func (t tagSet) holds(text []byte) bool {
	if len(t) == 0 {
		return false
	}
	found, ok := lastTag(text)
	if !ok {
		return false
	}
	_, ok = slices.BinarySearchFunc(t, found, tag.compare)
	return ok
}

// tagTail is the base64 that holds a tag wherever the padding puts it, in
// characters.
const tagTail = (tagSize + 2 + 2) / 3 * 4

func lastTag(text []byte) (t tag, ok bool) {
	if len(text) < tagTail {
		return t, false
	}
	var scratch [tagTail]byte
	raw, err := base64.StdEncoding.AppendDecode(scratch[:0], text[len(text)-tagTail:])
	if err != nil || len(raw) < tagSize {
		return t, false
	}
	return tagOf(raw), true
}
