package images_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"sealcar/translate/images"
)

// jsonString is a string with its quotes, whatever it escapes.
var jsonString = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"`)

// Whatever comes in, what goes on is it with links replaced, and nothing else.
func FuzzOnlyLinksChange(f *testing.F) {
	shot := []byte("\x89PNG\x0D\x0A\x1A\x0A")
	for _, seed := range []string{
		chat("http://x/"), chat("data:image/png;base64,AAAA"), chat(`HTTPS:\/\/x`), "{}", `{"messages":[{"content":[{"image_url":{"url":"http:"}}]}]}`,
		`{"messages":[{"content":[{"image_url":{"url":"http://a"}},{"image_url":{"url":"http://b"}}]}]} `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fetched := 0
		var sent string
		tr := images.Transport{
			Applies: func(*http.Request) bool { return true },
			Judge:   func(*http.Request, []byte) error { return nil },
			Out: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"image/png"}}, Body: io.NopCloser(bytes.NewReader(shot))}, nil
			}),
			Base: roundTripper(func(req *http.Request) (*http.Response, error) {
				got, err := io.ReadAll(req.Body)
				sent = string(got)
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, err
			}),
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://ark.example.com/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(req); err != nil {
			if sent != "" {
				t.Errorf("%v, and yet %q was sent", err, sent)
			}
			return
		}
		in, out := body, sent
		const image = `"data:image/png;base64,iVBORw0KGgo="`
		for in != out {
			same := 0
			for same < min(len(in), len(out)) && in[same] == out[same] {
				same++
			}
			start := strings.LastIndexByte(out[:same], '"') // images and links begin with it
			if start < 0 || !strings.HasPrefix(out[start:], image) {
				t.Fatalf("%q became %q", body, sent)
			}
			end := start + len(jsonString.FindString(in[start:]))
			in, out, fetched = in[end:], out[start+len(image):], fetched+1
		}
	})
}
