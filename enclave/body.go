package enclave

import (
	"io"
	"net/http"
	"time"
)

// timedBody takes the read deadline back once the body is there. Left in place
// it would be taken for the client hanging up, in the midst of a long reply.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // io.Reader gives it bare
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
