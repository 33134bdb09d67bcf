package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// T51 for HTTP/2: what its frames can say and HTTP/1.1 has no words for.
func TestT51_HTTP2Verdicts(t *testing.T) {
	t.Parallel()
	upstream := new(recorder)
	r := start(t, upstream, testConfig(t))
	path := func(value string) []hpack.HeaderField { return head(field(":path", value)) }
	const served, malformed, ambiguous = "200", "400 malformed_request", "400 ambiguous_path"
	const inFrames = "PROTOCOL_ERROR" // by net/http, of the stream or, if its body comes behind that, of the connection
	const inHeaders = "400 "          // by net/http, too
	bare := func(changes ...hpack.HeaderField) []hpack.HeaderField {
		return head(append(changes, field(":method", "GET"))...)
	}
	for _, tc := range []struct {
		name string
		head []hpack.HeaderField // of a GET: without a body
		want string
	}{
		{"an ordinary one", head(), served},
		{"a method in lower case", head(field(":method", "post")), served},

		// Pseudo-header fields (RFC 9113 section 8.3).
		{"a space in the method", head(field(":method", "POST /v1/x HTTP/1.1")), malformed},
		{"a space in the path", path("/v1/chat/completions HTTP/1.1"), malformed},
		{"a space in the query", path("/v1/chat/completions?a HTTP/1.1"), malformed},
		{"a control character in the path", path("/v1/x\x01"), inFrames},
		{"a line break in the path", path("/v1/x\r\nX-A: 1"), inFrames},
		{"a path with a scheme and a host", path("https://evil.example.com/v1/chat/completions"), malformed},
		{"a path that is no path", path("v1/chat/completions"), inFrames},
		{"a path that is a host", path("//evil.example.com/v1/x"), ambiguous},
		{"an asterisk", path("*"), malformed},
		{"OPTIONS *", head(field(":method", "OPTIONS"), field(":path", "*")), malformed},
		{"no path", path(""), inFrames},
		{"two paths", head(field("+:path", "/v1/x")), inFrames},
		{"another scheme", head(field(":scheme", "http")), served}, // what counts is that it came by TLS
		{"an unknown scheme", head(field(":scheme", "ftp")), inFrames},
		{"no method", head(field("-:method", "")), inFrames},
		{"an unknown pseudo-header", head(field(":host", "x")), inFrames},
		{"a pseudo-header behind a header", append(head()[:3:3], field("x-a", "1"), field(":path", "/v1/x")), inFrames},

		// Paths, as in HTTP/1.1.
		{"dot segments", path("/v1/x/../chat/completions"), ambiguous},
		{"encoded dot segments", path("/v1/%2e%2e/x"), ambiguous},
		{"an encoded slash", path("/v1%2fchat/completions"), ambiguous},
		{"an empty segment", path("/v1//chat/completions"), ambiguous},
		{"a parameter", path("/v1/chat;a/completions"), ambiguous},
		{"a backslash", path(`/v1/chat\completions`), ambiguous},

		// Connection-specific fields (section 8.2.2).
		{"Connection", head(field("connection", "x-session-token")), inHeaders},
		{"Transfer-Encoding", head(field("transfer-encoding", "chunked")), inHeaders},
		{"Upgrade", head(field("upgrade", "websocket")), inHeaders},
		{"Keep-Alive", head(field("keep-alive", "timeout=1")), inHeaders},
		{"Proxy-Connection", head(field("proxy-connection", "keep-alive")), inHeaders},
		{"TE", head(field("te", "gzip")), inHeaders},
		{"TE: trailers", head(field("te", "trailers")), served},

		// Fields (section 8.2.1).
		{"a name in upper case", head(field("X-A", "1")), inFrames},
		{"a space in a name", head(field("x a", "1")), inFrames},
		{"a colon in a name", head(field("x:a", "1")), inFrames},
		{"a line break in a value", head(field("x-a", "1\r\nx-b: 2")), inFrames},
		{"a NUL in a value", head(field("x-a", "\x00")), inFrames},
		{"a space before a value", head(field("content-encoding", " gzip")), malformed},
		{"a tab behind a value", head(field("x-a", "1\t")), malformed},
		{"another Host", head(field("host", "evil.example.com")), malformed},
		{"the same Host", head(field("host", routedHost)), served},
		{"two Hosts", head(field("host", routedHost), field("+host", routedHost)), malformed},
		{"two Hosts, no authority", head(field("-:authority", ""), field("host", routedHost), field("+host", "evil.example.com")), malformed},
		{"two Authorizations", head(field("+authorization", "Bearer other")), "400 repeated_header"},

		// Lengths (section 8.1.1).
		{"a length", head(field("content-length", "27")), served},
		{"a shorter length", head(field("content-length", "26")), inFrames},
		{"a longer length", head(field("content-length", "28")), "400 bad_request_body"},
		{"a length that is none", bare(field("content-length", "")), malformed},
		{"two lengths", head(field("content-length", "27"), field("+content-length", "28")), malformed},
		{"two lengths alike", head(field("content-length", "27"), field("+content-length", "27")), malformed},
		{"a length without a body", bare(field("content-length", "27")), malformed},
		{"a length with a sign without a body", bare(field("content-length", "+0")), malformed},
		{"a length beyond 64 bits without a body", bare(field("content-length", "99999999999999999999")), malformed},
		{"no bytes", bare(field("content-length", "0")), served},

		// Other protocols (section 8.5, RFC 8441).
		{"CONNECT", []hpack.HeaderField{field(":method", "CONNECT"), field(":authority", thirdHost+":443")}, "400 nested_connect"},
		{"CONNECT with a path", head(field(":method", "CONNECT")), inFrames},
		{"CONNECT to a protocol", head(field(":method", "CONNECT"), field("+:protocol", "websocket")), inFrames},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := r.frames() // of its own, for some faults end it
			bodiless := tc.head[0].Value == http.MethodGet
			stream := f.headers(bodiless, tc.head...)
			if !bodiless {
				_ = f.WriteData(stream, true, []byte(chat)) // a refusal may come first
			}
			if got := f.verdict(stream); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			n := len(upstream.all())
			upstream.forget()
			if tc.want == served && n != 1 || tc.want != served && n != 0 {
				t.Errorf("%d requests went through", n)
			}
		})
	}
}

func TestHTTP2RefusalsTellWhatToDoNext(t *testing.T) {
	t.Parallel()
	f := start(t, new(recorder), testConfig(t)).frames()
	for next, change := range map[string]hpack.HeaderField{
		"Send the method alone":   field(":method", "POST /v1/x"),
		"Send the path alone":     field(":path", "https://"+routedHost+"/v1/x"),
		"Encode the space as %20": field(":path", "/v1/a b"),
		"Leave Host out":          field("host", thirdHost),
		"Leave it out":            field("+content-length", "0"),
		"Trim the value":          field("x-a", " 1"),
	} {
		stream := f.headers(false, head(field("content-length", "27"), change)...)
		_ = f.WriteData(stream, true, []byte(chat))
		if got := f.outcome(stream); codeOf(got.body) != "malformed_request" || !strings.Contains(got.body, ". "+next) {
			t.Errorf("%v: %v", change, got)
		}
	}
}

// verdict is what became of a stream: a status with sealcar's code, or the error
// that ended it or its connection.
func (f *frames) verdict(stream uint32) string {
	f.t.Helper()
	for {
		frame := f.next()
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			return frame.ErrCode.String()
		case *http2.RSTStreamFrame:
			return frame.ErrCode.String()
		case *http2.MetaHeadersFrame:
			status := frame.PseudoValue("status")
			if status == "200" {
				return status
			}
			return status + " " + codeOf(f.outcome(stream).body)
		}
	}
}
