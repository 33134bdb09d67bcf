package images_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
)

const kib = 1 << 10

// large is a picture of about n bytes.
func large(t *testing.T, n int) []byte { return append(picture(t), make([]byte, n)...) }

// within sends a chat with so many links inside a budget. taken is what was taken
// of it when the chat was sealed.
func within(t *testing.T, b *payload.Budget, url string, links int) (taken int64, err error) {
	t.Helper()
	r := newRig(t)
	seal := r.Base
	r.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		taken = b.Used()
		return seal.RoundTrip(req)
	})
	part := fmt.Sprintf(`{"type":"image_url","image_url":{"url":"%s"}}`, url)
	body := `{"messages":[{"content":[` + strings.TrimSuffix(strings.Repeat(part+",", links), ",") + `]}]}`
	req, err := http.NewRequestWithContext(exchange.With(t.Context(), new(exchange.Record)), http.MethodPost, "https://ark.example.com/chat", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Within(r).RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	if used := b.Used(); used != 0 {
		t.Errorf("%d bytes are taken after the end", used)
	}
	return taken, err
}

// An image is in memory as it came, then as base64 in the request.
func TestT84_ImagesAreInsideTheBudget(t *testing.T) {
	t.Parallel()
	image := large(t, 100*kib)
	s := newSite(t, serve("image/png", image))
	text := int64(base64.StdEncoding.EncodedLen(len(image)))
	budget := payload.NewBudget(2000 * kib)
	taken, err := within(t, budget, s.URL, 3)
	if err != nil || taken < 4*3*text {
		t.Errorf("%d bytes are taken for %d of text: %v", taken, 3*text, err)
	}
	for name, test := range map[string]struct {
		links int
		limit int64
	}{
		"what is fetched":      {8, 1000 * kib},
		"what is put together": {3, 4*3*text - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			taken, err := within(t, payload.NewBudget(test.limit), s.URL, test.links)
			e, ok := errors.AsType[*apierror.Error](err)
			if !ok || e.Status != http.StatusRequestEntityTooLarge || e.Code != "request_too_large" || taken != 0 {
				t.Errorf("got %v after %d bytes, want 413 request_too_large", err, taken)
			}
		})
	}
}

// A server that announces nothing, or lies, gets no more than there is room for.
func TestT84_AnImageIsReadAsFarAsTheBudgetGoes(t *testing.T) {
	t.Parallel()
	sent := 0
	ended := make(chan struct{})
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "image/png")
		for more := large(t, 4*kib); sent < 9<<20; more = bytes.Repeat([]byte{1}, 16*kib) {
			n, err := w.Write(more)
			if sent += n; err != nil {
				return
			}
		}
	})
	_, err := within(t, payload.NewBudget(400*kib), s.URL, 1)
	if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != "request_too_large" {
		t.Errorf("got %v", err)
	}
	<-ended
	if sent >= 9<<20 {
		t.Errorf("all of %d bytes were taken into no room", sent)
	}
}
