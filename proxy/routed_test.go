package proxy_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// sizing is a reply that gives a piece with each Read, or as much of it as fits,
// and notes how much that is.
type sizing struct {
	pieces []string
	sizes  []int
}

func (s *sizing) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	s.sizes = append(s.sizes, len(p))
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func TestAStreamIsCopiedInABufferOfItsEvents(t *testing.T) {
	t.Parallel()
	body := &sizing{pieces: []string{"data: short\n\n", "data: " + strings.Repeat("x", 2<<10) + "\n\n", "data: short\n\n"}}
	want := strings.Join(body.pieces, "")
	r := start(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, ContentLength: -1, Body: io.NopCloser(body)}, nil
	}), testConfig(t))
	resp, err := r.client().Do(newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if !slices.Equal(body.sizes, []int{512, 512, 2 << 10, 2 << 10}) {
		t.Errorf("read %v bytes at a time", body.sizes)
	}
}
