package images_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/netguard"
	"sealcar/translate/images"
)

// patience is for what must happen; generous, so that it decides nothing.
const patience = 20 * time.Second

// rig is a Transport between an application and what seals.
type rig struct {
	images.Transport
	t    *testing.T
	sent []string // the bodies that reached what seals
}

// newRig fetches from loopback, over TLS too.
func newRig(t *testing.T, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t}
	r.Transport = images.Transport{
		Base:    roundTripper(r.seal),
		Out:     guarded(t, netguard.Private),
		Applies: func(req *http.Request) bool { return req.URL.Path == "/chat" },
		Judge:   func(*http.Request, []byte) error { return nil },
		Timeout: patience,
	}
	for _, f := range change {
		f(r)
	}
	return r
}

// guarded goes where reach says. It takes every certificate.
func guarded(t *testing.T, reach netguard.Reach) http.RoundTripper {
	t.Helper()
	return &http.Transport{
		DialContext:       (&net.Dialer{ControlContext: reach.Control}).DialContext,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
}

func (r *rig) seal(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err == nil && req.ContentLength >= 0 && req.ContentLength != int64(len(body)) {
		err = fmt.Errorf("the length is %d, not %d", len(body), req.ContentLength)
	}
	r.sent = append(r.sent, string(body))
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// send sends a chat. It gives what was sealed, "" if nothing was.
func (r *rig) send(body string) (string, *exchange.Record, error) {
	r.t.Helper()
	return r.sendIn(r.t.Context(), body)
}

func (r *rig) sendIn(ctx context.Context, body string) (string, *exchange.Record, error) {
	r.t.Helper()
	record := new(exchange.Record)
	req, err := http.NewRequestWithContext(exchange.With(ctx, record), http.MethodPost, "https://ark.example.com/chat", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	r.sent = nil
	resp, err := r.RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return strings.Join(r.sent, "\n"), record, err
}

// refuses expects an error with a code for the image at the one link of a chat,
// which says nothing of its address, and nothing sent.
func (r *rig) refuses(url string, status int, code string) apierror.Error {
	r.t.Helper()
	sent, record, err := r.send(chat(url))
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok || e.Status != status || e.Code != code || e.Param != "messages[0].content[1].image_url.url" {
		r.t.Fatalf("%s: got %#v, want %d %s with the path", url, err, status, code)
	}
	if sent != "" || record.Endpoint != "/chat" {
		r.t.Errorf("%s: sent %q, endpoint %q", url, sent, record.Endpoint)
	}
	_, host, _ := strings.Cut(url, "://")
	if text := e.Error() + string(e.Document()); strings.Contains(text, strings.Trim(host, "/")) || strings.Contains(text, "127.0.0.1") {
		r.t.Errorf("the error tells the address: %s", text)
	}
	return *e
}

// chat is a request with one image.
func chat(url string) string {
	return fmt.Sprintf(`{"model": "m", "temperature":1.00, "messages":[{"role":"user","content":[{"type":"text","text":"http:\/\/what?"}, {"type":"image_url","image_url":{"url":"%s", "detail":"low"}}]}]}`, url)
}

// site serves pictures, and counts.
type site struct {
	*httptest.Server
	visits atomic.Int32
}

func newSite(t *testing.T, h http.HandlerFunc) *site {
	t.Helper()
	s := new(site)
	s.Server = httptest.NewServer(s.counting(h))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func newTLSSite(t *testing.T, h http.HandlerFunc) *site {
	t.Helper()
	s := new(site)
	s.Server = httptest.NewUnstartedServer(s.counting(h))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *site) counting(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.visits.Add(1)
		h(w, r)
	}
}

// serve answers with one body.
func serve(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		_, _ = w.Write(body)
	}
}

// pictures are small ones of every kind.
func pictures(t *testing.T) map[string][]byte {
	t.Helper()
	dot := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black, color.White})
	all := map[string][]byte{
		"image/webp": append([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f"), make([]byte, 12)...),
		"image/bmp":  append([]byte("BM\x3a\x00\x00\x00"), make([]byte, 52)...),
	}
	for name, encode := range map[string]func(io.Writer) error{
		"image/png":  func(w io.Writer) error { return png.Encode(w, dot) },
		"image/jpeg": func(w io.Writer) error { return jpeg.Encode(w, dot, nil) },
		"image/gif":  func(w io.Writer) error { return gif.Encode(w, dot, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		all[name] = b.Bytes()
	}
	return all
}

func picture(t *testing.T) []byte { return pictures(t)["image/png"] }

func dataURL(mediaType string, data []byte) string {
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(data)
}
