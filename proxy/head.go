package proxy

import (
	"net/http"

	"sealcar/apierror"
	"sealcar/config"
)

// headSlack is how much longer than limits.header_bytes a request's head may be to
// be refused here, with a document, in bytes. What is longer still net/http refuses
// with the same status and a line of text, before anybody sees the request.
const headSlack = 64 << 10

// readableHead is how much of a head the server reads.
func readableHead(l config.Limits) int { return int(l.HeaderBytes + min(l.HeaderBytes, headSlack)) }

// checkHead refuses a request for what its head is, wherever it goes.
func (v *visit) checkHead() *apierror.Error {
	limit := v.table.config.Limits.HeaderBytes
	if headSize(v.request) > int64(limit) {
		v.reply.beLast() // as net/http's own refusal of such a head is
		return &apierror.Error{
			Status: http.StatusRequestHeaderFieldsTooLarge, Code: "headers_too_large",
			Message: "The request's headers are larger than limits.header_bytes. Send less in them, or raise the limit.",
		}
	}
	if len(v.request.Header["Authorization"]) > 1 { // of which a server may take either (RFC 9110 section 5.3 allows one)
		e := refusal("repeated_header", "The request has more than one Authorization header, and servers may take either. Send one.")
		e.Param = "Authorization"
		return e
	}
	return nil
}

// headSize is the length of a request's head as it came, or a little less: white
// space around values is not counted.
func headSize(r *http.Request) int64 {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\nHost: \r\n\r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return int64(size)
}
