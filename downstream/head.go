package downstream

import (
	"bytes"
	"strings"

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
	end := bytes.Index(read, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	line, fields, _ := strings.Cut(string(read[:end]), "\r\n")
	if !plainLine(line) || !plainFields(fields, strings.HasPrefix(line, "POST ")) {
		return 0
	}
	return end + len("\r\n\r\n")
}

// plainLine judges a request line.
func plainLine(line string) bool {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	return (method == "GET" || method == "POST") && target != "" && visible(target, false) && version == "HTTP/1.1"
}

// plainFields judges the lines behind it.
func plainFields(lines string, post bool) bool {
	var hosts, lengths int
	for line := range strings.SplitSeq(lines, "\r\n") {
		name, value, colon := strings.Cut(line, ":")
		value = strings.Trim(value, " ")
		if !colon || !httpguts.ValidHeaderFieldName(name) || !visible(value, true) || !plainField(name, value) {
			return false
		}
		switch {
		case strings.EqualFold(name, "Host"):
			hosts++
		case strings.EqualFold(name, "Content-Length"):
			lengths++
		}
	}
	return hosts == 1 && (lengths == 1 && post || lengths == 0 && !post)
}

// plainField judges a header by what it means to a server.
func plainField(name, value string) bool {
	switch strings.ToLower(name) {
	case "host":
		return httpguts.ValidHostHeader(value)
	case "content-length":
		return plainLength(value)
	case "connection":
		return strings.EqualFold(value, "keep-alive")
	case "transfer-encoding", "expect", "upgrade", "trailer", "http2-settings":
		return false
	default:
		return true
	}
}

// plainLength judges a Content-Length: digits, and few enough for an int64.
func plainLength(value string) bool {
	return len(value) > 0 && len(value) <= 18 && strings.Trim(value, "0123456789") == ""
}

// visible reports whether all of s is visible ASCII, with blanks or without.
func visible(s string, blanks bool) bool {
	for i := range len(s) {
		if c := s[i]; c > '~' || c < ' ' || c == ' ' && !blanks {
			return false
		}
	}
	return true
}
