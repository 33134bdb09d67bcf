package soak

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Words are of these letters; some need escapes in JSON, or more than a byte.
const (
	plainLetters  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/="
	strangeLetter = "\"\\/<>&'{}[]:,äß\u00a0é漢字語😀🏳\U0001d11e\u0001\t\n"
)

// text is random, of about so many bytes, of words of about so many; the marker is
// one of them.
func (c *caller) text(bytes, word int) string {
	var b strings.Builder
	strange := []rune(strangeLetter)
	marker := c.random.IntN(max(bytes, 1))
	marked := false
	for b.Len() < bytes || !marked {
		if !marked && b.Len() >= marker {
			b.WriteString(c.traffic.Marker + " ")
			marked = true
		}
		for range 1 + c.random.IntN(2*word) {
			if c.random.IntN(20) == 0 {
				b.WriteRune(strange[c.random.IntN(len(strange))])
			} else {
				b.WriteByte(plainLetters[c.random.IntN(len(plainLetters))])
			}
		}
		b.WriteByte(' ')
	}
	return b.String() + "."
}

// image is a data: URL with so many random bytes, the marker among them.
func (c *caller) image(bytes int) string {
	data := make([]byte, bytes+8)
	for i := 0; i < bytes; i += 8 {
		binary.LittleEndian.PutUint64(data[i:], c.random.Uint64())
	}
	data = data[:bytes]
	copy(data[c.random.IntN(bytes/2):], c.traffic.Marker)
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
}

// size is random, small ones more often: each power of two is half as likely as the
// one below.
func (c *caller) size(least, most int) int {
	if largest := c.traffic.Largest; largest > 0 {
		least, most = min(least, largest), min(most, largest)
	}
	for most > least && c.random.IntN(2) == 0 {
		most = max(most/2, least)
	}
	return most/2 + c.random.IntN(most/2+1)
}

// quote is text as a JSON string with as few escapes as there can be: what the
// sidecar and the other end make of it is then the same again, byte by byte.
func quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// chatID is the id that the echo gives its answer to a body: of its hash, so that an
// answer with this id is one to exactly these bytes.
func chatID(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "chatcmpl-" + hex.EncodeToString(sum[:12])
}
