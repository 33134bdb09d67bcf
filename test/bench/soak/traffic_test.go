package soak_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sealcar/enclave"
	"sealcar/test/bench/soak"
	"sealcar/test/inprocess"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBothEndsAnswerMixedTrafficRight(t *testing.T) {
	t.Parallel()
	traffic, watch := bothEnds(t)
	tally, _ := until(t, traffic, 300)
	if total := tally.Total(); total.Wrong > 0 {
		t.Errorf("%d of %d are wrong: %q", total.Wrong, total.Right+total.Wrong, tally.Failures())
	}
	if n, found := watch.Take(); n < 1<<20 || len(found) > 0 {
		t.Errorf("%d bytes crossed, with content as %q", n, found)
	}
}

// A hop that alters replies, or does not seal, is found out.
func TestWhatIsWrongIsCounted(t *testing.T) {
	t.Parallel()
	replace := func(old, by string) func(*http.Response, []byte) []byte {
		return func(_ *http.Response, body []byte) []byte { return bytes.Replace(body, []byte(old), []byte(by), 1) }
	}
	goOn := func(_ *http.Response, body []byte) []byte {
		first, _, _ := bytes.Cut(body, []byte("\n\n"))
		return append(bytes.Clone(body), string(first)+"\n\n"...)
	}
	otherStatus := func(resp *http.Response, body []byte) []byte {
		resp.StatusCode = http.StatusTeapot
		return body
	}
	tests := map[string]struct {
		alter func(resp *http.Response, body []byte) []byte
		kind  string
	}{
		"a letter of an answer":        {replace("You said", "You Said"), "chat"},
		"another chat's id":            {replace(`"id":"chatcmpl-`, `"id":"chatcmpl-0`), "chat"},
		"another end":                  {replace(`"finish_reason":"stop"`, `"finish_reason":"length"`), "chat"},
		"a letter of a stream":         {replace("You", "you"), "stream"},
		"an event twice":               {replace(`{"content":" said:"}`, `{"content":" said: said:"}`), "stream"},
		"a stream without its end":     {replace("data: [DONE]\n\n", ""), "stream"},
		"an event behind the end":      {goOn, "stream"},
		"a letter before one gives up": {replace(`"content":""`, `"content":"X"`), "gives up within a stream"},
		"another status":               {otherStatus, "refused by the model server"},
		"an image of another size":     {replace(" bytes image/png]", "0 bytes image/png]"), "chat with an image"},
		"an answer in place of a no":   {nil, "refused: another media type"},
		"no answer of the API at all":  {nil, "response"},
		"no answer, streamed":          {nil, "message, streamed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			traffic := &soak.Traffic{Sidecar: unsealedHop(t, tt.alter), Marker: "marker", Seed: 1, Workers: 4, Largest: 64 << 10}
			traffic.Key = traffic.Sidecar // the hop knows the key
			tally, counts := until(t, traffic, 100)
			if c := counts[tt.kind]; c.Wrong == 0 || c.Right > 0 {
				t.Errorf("%+v, want all of them wrong: %q", c, tally.Failures())
			}
		})
	}
}

func TestAnUnalteredHopIsRight(t *testing.T) {
	t.Parallel()
	traffic := &soak.Traffic{Sidecar: unsealedHop(t, nil), Key: "any", Marker: "marker", Seed: 1, Workers: 4, Largest: 64 << 10}
	tally, counts := until(t, traffic, 100)
	for _, kind := range []string{"chat", "stream", "chat with an image", "chat of many turns", "gives up within a stream"} {
		if c := counts[kind]; c.Wrong > 0 || c.Right == 0 {
			t.Errorf("%+v: %q", c, tally.Failures())
		}
	}
}

// unsealedHop is in place of a sidecar and seals nothing, and knows no other API.
// alter is done to each reply.
func unsealedHop(t *testing.T, alter func(resp *http.Response, body []byte) []byte) string {
	t.Helper()
	far := inprocess.StartEnclave(t, enclave.Options{AcceptPlaintext: true})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // whose it is does not matter here
	hop := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: far.Addr})
			r.Out.URL.Path = strings.Replace(r.In.URL.Path, "/v1/", "/api/v3/", 1)
			r.Out.Header.Set("Authorization", "Bearer "+far.Key)
		},
		ModifyResponse: func(resp *http.Response) error {
			if alter == nil {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			body = alter(resp, body)
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			return nil
		},
	})
	t.Cleanup(func() {
		hop.Close()
		transport.CloseIdleConnections()
	})
	return hop.Listener.Addr().String()
}
