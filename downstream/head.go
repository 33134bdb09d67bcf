package downstream

import (
	"bytes"

	"golang.org/x/net/http/httpguts"
)

// plainHead gives the length of a plain request's head, with its empty line, if read
// begins with one; otherwise 0.
//
// A plain request is one of HTTP/1.1 by GET or POST, in visible ASCII with single line
// ends of CR LF, with one Host, with a body only by a Content-Length, and with nothing
// in it that asks the server for more than a reply. It leaves no room for two readings
// (RFC 9112 sections 2.2, 3, 5 and 6.3).
func plainHead(read []byte) int {
	end := bytes.Index(read, []byte(endOfHead))
	if end < 0 {
		return 0
	}
	line, fields, _ := bytes.Cut(read[:end], []byte(endOfLine))
	post := bytes.HasPrefix(line, []byte("POST "))
	if !post && !bytes.HasPrefix(line, []byte("GET ")) || !plainLine(line) || !plainFields(fields, post) {
		return 0
	}
	return end + len(endOfHead)
}

const (
	endOfLine = "\r\n"
	endOfHead = "\r\n\r\n"
)

// plainLine judges what is behind the method.
func plainLine(line []byte) bool {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	return len(target) > 0 && visible(target, false) && string(version) == "HTTP/1.1"
}

// plainFields judges the lines behind the first.
func plainFields(lines []byte, post bool) bool {
	var seen [odd + 1]int // fields of each kind
	for line := range bytes.SplitSeq(lines, []byte(endOfLine)) {
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || !isToken(name) || !visible(value, true) {
			return false
		}
		seen[kindOf(name, bytes.Trim(value, " "))]++
	}
	return seen[odd] == 0 && seen[host] == 1 && (seen[length] == 1 && post || seen[length] == 0 && !post)
}

// fieldKind is what a header means to a server.
type fieldKind int

const (
	nothing fieldKind = iota
	host
	length
	odd // more than a plain request may ask
)

func kindOf(name, value []byte) fieldKind {
	var lower [len("transfer-encoding")]byte // the longest name that means something
	if len(name) > len(lower) {
		return nothing
	}
	kind, plain := nothing, true
	switch string(toLower(lower[:0], name)) {
	case "host":
		kind, plain = host, httpguts.ValidHostHeader(string(value))
	case "content-length":
		kind, plain = length, isLength(value)
	case "connection":
		plain = bytes.EqualFold(value, []byte("keep-alive"))
	case "transfer-encoding", "expect", "upgrade", "trailer", "http2-settings":
		plain = false
	}
	if !plain {
		return odd
	}
	return kind
}

func isToken(name []byte) bool {
	for _, c := range name {
		if !httpguts.IsTokenRune(rune(c)) {
			return false
		}
	}
	return len(name) > 0
}

// toLower appends an ASCII text in small letters.
func toLower(to, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}

// isLength judges a Content-Length: digits, and few enough for an int64.
func isLength(value []byte) bool {
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(value) > 0 && len(value) <= 18
}

// visible reports whether all of text is visible ASCII, with blanks or without.
func visible(text []byte, blanks bool) bool {
	for _, c := range text {
		if c > '~' || c < ' ' || c == ' ' && !blanks {
			return false
		}
	}
	return true
}
