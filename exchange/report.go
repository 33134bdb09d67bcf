package exchange

import (
	"net/http"
	"strconv"
	"strings"
)

// Headers by which an application learns what went in clear beside the sealed
// content: paths in its request, and places in a reply that is no stream.
const (
	HeaderPlaintext      = "X-Sealcar-Plaintext"
	HeaderReplyPlaintext = "X-Sealcar-Reply-Plaintext"
)

// maxPlaintextHeader bounds the list in such a header, in bytes.
const maxPlaintextHeader = 1024

// ReportRequest tells the application what of its request went in clear, if it was
// sent: also where it gets a refusal in place of the reply.
func (r *Record) ReportRequest(h http.Header) {
	if r.Treatment != Refused {
		setList(h, HeaderPlaintext, r.Residue, r.ResidueCount)
	}
}

// ReportReply tells the application what of the reply came in clear.
func (r *Record) ReportReply(h http.Header) {
	setList(h, HeaderReplyPlaintext, r.ReplyResidue, len(r.ReplyResidue))
}

func setList(h http.Header, name string, paths []string, count int) {
	if count == 0 {
		return
	}
	var b strings.Builder
	for i, path := range paths {
		if b.Len()+len(path) > maxPlaintextHeader {
			paths = paths[:i]
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(path)
	}
	if more := count - len(paths); more > 0 {
		b.WriteString(", +" + strconv.Itoa(more) + " more")
	}
	h.Set(name, b.String())
}
