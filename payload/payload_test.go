package payload_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/apierror"
	"sealcar/payload"
)

// tracked is a body that knows how much of it was read, and whether it was closed.
type tracked struct {
	io.Reader
	read   int
	closed bool
}

func (b *tracked) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *tracked) Close() error {
	b.closed = true
	return nil
}

var errBroken = errors.New("broken")

func TestRead(t *testing.T) {
	t.Parallel()
	const limit = 8
	for name, test := range map[string]struct {
		body   io.Reader
		length int64
		want   string
		code   string
		status int
		read   int // bytes taken at most
	}{
		"a body":                     {strings.NewReader("12345678"), 8, "12345678", "", 0, 8},
		"of unknown length":          {iotest.OneByteReader(strings.NewReader("12345678")), -1, "12345678", "", 0, 8},
		"none":                       {strings.NewReader(""), 0, "", "", 0, 0},
		"one that says it is larger": {strings.NewReader("123456789"), 9, "", "request_too_large", 413, 0},
		"one that turns out larger":  {strings.NewReader(strings.Repeat("x", 1000)), -1, "", "request_too_large", 413, limit + 1},
		"larger than it says":        {strings.NewReader(strings.Repeat("x", 1000)), 3, "", "request_too_large", 413, limit + 1},
		"one that breaks off":        {io.MultiReader(strings.NewReader("123"), iotest.ErrReader(errBroken)), 8, "", "request_incomplete", 400, 3},
		"T74 one that is too slow":   {io.MultiReader(strings.NewReader("123"), iotest.ErrReader(fmt.Errorf("read: %w", os.ErrDeadlineExceeded))), 8, "", "request_body_timeout", 408, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &tracked{Reader: test.body}
			got, err := payload.Read(request(t, body, test.length), limit, "send less")
			if !body.closed || body.read > test.read {
				t.Errorf("closed %t after %d bytes, want at most %d", body.closed, body.read, test.read)
			}
			fault, ok := errors.AsType[*apierror.Error](err)
			if ok != (test.code != "") || ok && (fault.Code != test.code || fault.Status != test.status) || string(got) != test.want {
				t.Fatalf("got %q, %v", got, err)
			}
			if test.code == "request_too_large" && !strings.Contains(fault.Message, "over 8 bytes; send less") {
				t.Errorf("the message is %q", fault.Message)
			}
			if test.code == "request_incomplete" && !errors.Is(err, errBroken) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestReadWithoutABody(t *testing.T) {
	t.Parallel()
	got, err := payload.Read(&http.Request{}, 1, "")
	if got != nil || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestALimitOf0IsTheDefault(t *testing.T) {
	t.Parallel()
	body := &tracked{Reader: strings.NewReader("x")}
	if _, err := payload.Read(request(t, body, payload.DefaultLimit+1), 0, ""); err == nil || body.read > 0 {
		t.Errorf("%v after %d bytes", err, body.read)
	}
	if _, err := payload.Read(request(t, body, -1), 0, ""); err != nil {
		t.Error(err)
	}
}

// Memory that grew while reading would be up to twice as large.
func TestReadTakesTheMemoryThatABodyNeeds(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	got, err := payload.Read(request(t, io.NopCloser(bytes.NewReader(make([]byte, size))), size), size, "")
	if err != nil || len(got) != size || cap(got) > size+size/8 {
		t.Errorf("%v: %d bytes in memory of %d", err, len(got), cap(got))
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"another body", ""} {
		req := request(t, io.NopCloser(strings.NewReader("the first body")), 14)
		req.TransferEncoding = []string{"chunked"}
		req.GetBody = func() (io.ReadCloser, error) { return nil, errBroken }
		_, err := payload.Send(roundTripper(func(r *http.Request) (*http.Response, error) {
			got, err := io.ReadAll(r.Body)
			if err != nil || string(got) != body || r.ContentLength != int64(len(body)) || r.TransferEncoding != nil {
				t.Errorf("%v: %q of %d bytes, %v", err, got, r.ContentLength, r.TransferEncoding)
			}
			if (r.GetBody != nil) != (body != "") {
				t.Errorf("the body %q can be had again: %t", body, r.GetBody != nil)
			}
			if r.GetBody != nil { // as http.Transport does for another connection
				again, err := r.GetBody()
				if err != nil {
					return nil, err
				}
				if got, err := io.ReadAll(again); err != nil || string(got) != body {
					t.Errorf("again: %v: %q", err, got)
				}
			}
			return nil, errBroken
		}), req, []byte(body))
		if !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	refused := &apierror.Error{Code: "a"}
	for name, test := range map[string]struct {
		body io.Reader
		fn   func([]byte) ([]byte, error)
		want string
		code string
	}{
		"replaced":            {strings.NewReader("12345678"), func(doc []byte) ([]byte, error) { return fmt.Appendf(nil, "<%s>", doc), nil }, "<12345678>", ""},
		"over the limit":      {strings.NewReader("123456789"), nil, "", "reply_too_large"},
		"broken off":          {iotest.ErrReader(errBroken), nil, "", "reply_truncated"},
		"refused by function": {strings.NewReader(""), func([]byte) ([]byte, error) { return nil, refused }, "", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &tracked{Reader: test.body}
			resp := &http.Response{Header: http.Header{"Content-Length": {"8"}}, Body: body, ContentLength: 8, TransferEncoding: []string{"chunked"}}
			err := payload.Replace(resp, 8, test.fn)
			if fault, ok := errors.AsType[*apierror.Error](err); ok != (test.code != "") || ok && fault.Code != test.code {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				return
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != test.want || resp.ContentLength != int64(len(got)) || resp.Header.Get("Content-Length") != fmt.Sprint(len(got)) || resp.TransferEncoding != nil || !body.closed {
				t.Errorf("%v: %q, %+v", err, got, resp)
			}
		})
	}
}

// The two ends of Send and Replace meet over a real connection.
func TestSendAndReplaceOverHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	req := request(t, io.NopCloser(strings.NewReader("the first body")), 14)
	req.URL.Scheme, req.URL.Host = "http", server.Listener.Addr().String()
	resp, err := payload.Send(&http.Transport{DisableKeepAlives: true}, req, []byte("sent"))
	if err != nil {
		t.Fatal(err)
	}
	if err := payload.Replace(resp, 0, func(doc []byte) ([]byte, error) { return append(doc, " and back"...), nil }); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(got) != "sent and back" {
		t.Errorf("%v: %q", err, got)
	}
}

func TestMediaType(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                                    "",
		"application/json":                    "application/json",
		"Application/JSON; charset=utf-8":     "application/json",
		"text/event-stream;charset":           "text/event-stream",
		"application/json, text/event-stream": "",
		"; charset=utf-8":                     "",
	} {
		h := http.Header{}
		if header != "" {
			h.Set("Content-Type", header)
		}
		if got := payload.MediaType(h); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}
