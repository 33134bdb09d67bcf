package ark

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxHeld bounds an error reply that is held back until it is known whether the
// request is worth another attempt, in bytes. A larger one is passed on as it
// comes.
const maxHeld = 64 << 10

// defaultReplyIdle is the patience with a reply that nothing was passed on of.
const defaultReplyIdle = 10 * time.Minute

// heldBody is a body whose beginning has been read already.
type heldBody struct {
	io.ReadCloser
	first []byte
	err   error // of reading first; comes after it
}

// Read gives what was held, and then the rest.
func (b *heldBody) Read(p []byte) (int, error) {
	switch {
	case len(b.first) > 0:
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	case b.err != nil:
		return 0, b.err
	default:
		return b.ReadCloser.Read(p)
	}
}

// hold reads the body of an error ahead, up to maxHeld bytes, and gives its
// symptom, the status and the API's error code, or "" if that was not all of it.
// The body stays as it was for whoever reads it later.
func hold(resp *http.Response) (symptom string) {
	first, err := io.ReadAll(io.LimitReader(resp.Body, maxHeld+1))
	resp.Body = &heldBody{ReadCloser: resp.Body, first: first, err: err}
	if err != nil || len(first) > maxHeld {
		return ""
	}
	var document struct{ Error struct{ Code any } }
	_ = json.Unmarshal(first, &document) // an answer that is no error document has the status alone
	return fmt.Sprintf("%d %.64v", resp.StatusCode, document.Error.Code)
}

var errReplyIdle = errors.New("the upstream's reply stalled: nothing came for the time that ReplyIdle allows")

// guardedBody is a reply's body that is given up when a read takes too long,
// until it is released to a reader with a patience of its own.
type guardedBody struct {
	io.ReadCloser
	patience time.Duration // for one read; 0 means no end
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.patience == 0 {
		return b.ReadCloser.Read(p)
	}
	timer := time.AfterFunc(b.patience, func() { _ = b.Close() }) // which ends the read
	n, err := b.ReadCloser.Read(p)
	if !timer.Stop() {
		return n, errReplyIdle
	}
	return n, err
}

func (b *guardedBody) release() { b.patience = 0 }
