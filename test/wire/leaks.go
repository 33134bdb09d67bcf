package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Leaks names the forms in which text holds the word canary: plain, in any case
// of letters, hex or base64, each of them as it stands, behind JSON escapes,
// behind percent encoding, or cut up by the chunks of HTTP/1.1. None is nil. A
// canary should be long enough (12 characters of rand.Text, say) that chance does
// not spell it.
func Leaks(text []byte, canary string) []string {
	return leaks(views(text), canary)
}

// leaks is Leaks for a text that was prepared before, for many canaries.
func leaks(views []view, canary string) []string {
	var found []string
	for _, v := range views {
		for _, form := range v.forms(canary) {
			if !slices.Contains(found, form) { // what the plain view holds, the others mostly hold too
				found = append(found, strings.TrimSuffix(form+", "+v.name, ", "))
			}
		}
	}
	return found
}

// view is a text in one way to read it.
type view struct {
	name     string
	lower    []byte // in lower case
	standard []byte // in the standard alphabet of base64, without line breaks
}

func views(text []byte) []view {
	var all []view
	for _, way := range []struct {
		name string
		read func([]byte) []byte
	}{
		{"", func(b []byte) []byte { return b }},
		{"in JSON escapes", unescapeJSON},
		{"percent-encoded", unescapePercent},
		{"in chunks", joinChunks},
	} {
		read := way.read(text)
		if way.name == "" || !bytes.Equal(read, text) {
			all = append(all, view{name: way.name, lower: bytes.ToLower(read), standard: base64Text(read)})
		}
	}
	return all
}

// forms gives those in which the view holds canary.
func (v view) forms(canary string) []string {
	var found []string
	if bytes.Contains(v.lower, bytes.ToLower([]byte(canary))) {
		found = append(found, "plain")
	}
	if bytes.Contains(v.lower, []byte(hex.EncodeToString([]byte(canary)))) {
		found = append(found, "hex")
	}
	for alignment := range 3 {
		if bytes.Contains(v.standard, base64Core(canary, alignment)) {
			found = append(found, "base64 at alignment "+strconv.Itoa(alignment))
		}
	}
	return found
}

// base64Text is text with the URL alphabet of base64 turned into the standard
// one, and without line breaks.
func base64Text(text []byte) []byte {
	standard := make([]byte, 0, len(text))
	for _, b := range text {
		switch b {
		case '-':
			b = '+'
		case '_':
			b = '/'
		case '\r', '\n':
			continue
		}
		standard = append(standard, b)
	}
	return standard
}

// base64Core is the part of the encoding of any text that holds canary behind
// alignment bytes, modulo 3, which only canary decides.
func base64Core(canary string, alignment int) []byte {
	const bitsPerByte, bitsPerCharacter = 8, 6
	before := alignment * bitsPerByte
	encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", alignment) + canary))
	first := (before + bitsPerCharacter - 1) / bitsPerCharacter
	end := (before + len(canary)*bitsPerByte) / bitsPerCharacter
	return []byte(encoded[first:end])
}

// unescapeJSON resolves the escapes that may stand for letters, digits and the
// characters of base64.
func unescapeJSON(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`\/`), []byte(`/`))
	return regexp.MustCompile(`\\u[0-9a-fA-F]{4}`).ReplaceAllFunc(text, func(escape []byte) []byte {
		code, err := strconv.ParseUint(string(escape[2:]), 16, 16)
		if err != nil {
			return escape
		}
		return []byte(string(rune(code)))
	})
}

func unescapePercent(text []byte) []byte {
	return regexp.MustCompile(`%[0-9a-fA-F]{2}`).ReplaceAllFunc(text, func(escape []byte) []byte {
		code, err := strconv.ParseUint(string(escape[1:]), 16, 8)
		if err != nil {
			return escape
		}
		return []byte{byte(code)}
	})
}

// joinChunks takes out the size lines of the chunked coding (RFC 9112 section
// 7.1).
func joinChunks(text []byte) []byte {
	return regexp.MustCompile(`\r\n[0-9a-fA-F]+(;[^\r\n]*)?\r\n`).ReplaceAll(text, nil)
}
