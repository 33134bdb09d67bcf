package ark

import "encoding/binary"

const blockSize = 16

// fieldElement is an element of GF(2^128) as GHASH writes it (SP 800-38D, 6.3):
// the first bit of the block, the highest of hi, is the coefficient of x^0.
type fieldElement struct{ hi, lo uint64 }

// loadElement reads at most one block; a shorter one is padded with zeros.
func loadElement(b []byte) fieldElement {
	if len(b) < blockSize {
		var padded [blockSize]byte
		copy(padded[:], b)
		b = padded[:]
	}
	return fieldElement{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (e fieldElement) xor(f fieldElement) fieldElement {
	return fieldElement{e.hi ^ f.hi, e.lo ^ f.lo}
}

// double is e times x.
func (e fieldElement) double() fieldElement {
	carry := -(e.lo & 1) // all ones if x^127 becomes x^128 = x^7 + x^2 + x + 1
	return fieldElement{e.hi>>1 ^ carry&(0xe1<<56), e.lo>>1 | e.hi<<63}
}

// ghashKey multiplies by the hash key H. Four bits at a time (Shoup's tables): it
// holds H times each polynomial of degree below four.
//
// Its lookups depend on secret data, within 256 bytes. That is accepted: H serves
// one request, and only a reply that crypto/cipher did not open gets here.
type ghashKey [16]fieldElement

func newGHASHKey(h [blockSize]byte) ghashKey {
	var k ghashKey
	k[8] = loadElement(h[:]) // the highest bit of four is x^0
	for i := 4; i > 0; i /= 2 {
		k[i] = k[2*i].double()
	}
	for i := 2; i < len(k); i *= 2 {
		for j := 1; j < i; j++ {
			k[i+j] = k[i].xor(k[j])
		}
	}
	return k
}

// mul is e times H, by Horner's rule from the highest power of x down.
func (k *ghashKey) mul(e fieldElement) fieldElement {
	var z fieldElement
	for _, word := range [2]uint64{e.lo, e.hi} {
		for range 16 {
			z = z.times16().xor(k[word&0xf])
			word >>= 4
		}
	}
	return z
}

// times16 is e times x^4; what falls off the end comes back reduced.
func (e fieldElement) times16() fieldElement {
	return fieldElement{e.hi>>4 ^ reduction[e.lo&0xf]<<48, e.lo>>4 | e.hi<<60}
}

// reduction is, shifted right by 48, what four bits above x^127 come to: the
// carry-less product of the index and 0x1c20.
//
//nolint:gochecknoglobals // immutable table
var reduction = [16]uint64{
	0x0000, 0x1c20, 0x3840, 0x2460, 0x7080, 0x6ca0, 0x48c0, 0x54e0,
	0xe100, 0xfd20, 0xd940, 0xc560, 0x9180, 0x8da0, 0xa9c0, 0xb5e0,
}
