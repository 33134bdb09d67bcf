package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The paths of a routed host's API. Each door has them.
const (
	pathChat      = "/v1/chat/completions"
	pathResponses = "/v1/responses"
	pathMessages  = "/v1/messages"
)

// maxReply bounds what is read of a reply: more than any answer has.
const maxReply = 64 << 20

// asked is a request.
type asked struct {
	path   string
	body   string
	header map[string]string // beyond what every request has; "" takes one away
	half   bool              // the application breaks off in the middle of the body
}

// send sends a request. Its reply is to be closed.
func (c *caller) send(ctx context.Context, a asked) (*http.Response, error) {
	var body io.Reader = strings.NewReader(a.body)
	if a.half {
		body = io.MultiReader(strings.NewReader(a.body[:len(a.body)/2]), broken{})
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.door.base+a.path, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.ContentLength = int64(len(a.body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.traffic.Key)
	for name, value := range a.header {
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := c.door.client.Do(req) // #nosec G704 -- to the sidecar under test
	if err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	return resp, nil
}

// errGaveUp is why an application breaks off.
var errGaveUp = errors.New("the application gave up")

// broken is the half of a body that does not come.
type broken struct{}

// Read implements io.Reader.
func (broken) Read([]byte) (int, error) { return 0, errGaveUp }

// whole sends a request and gives all of its reply.
func (c *caller) whole(ctx context.Context, a asked, status int) ([]byte, error) {
	resp, err := c.send(ctx, a)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("reading the reply: %w", err)
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("status %d, want %d: %.300s", resp.StatusCode, status, body)
	}
	return body, nil
}

// same tells where got is not what it should be, without quoting much of it.
func same(what, got, want string) error {
	if got == want {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Errorf("wrong %s from byte %d on: %.60q (%d bytes), want %.60q (%d bytes)", what, at, got[at:], len(got), want[at:], len(want))
}
