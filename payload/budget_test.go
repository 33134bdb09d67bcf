package payload_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/payload"
)

const kib = 1 << 10

// roundTripper is a function that carries a request.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// carry is what a protocol does: it reads the request whole and sends it on.
func carry(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := payload.Read(r, 1<<30, "send less")
		if err != nil {
			return nil, err
		}
		return payload.Send(base, r.Clone(r.Context()), body)
	})
}

// upstream answers with reply once it has read so many bytes of the request; -1
// is all of them.
func upstream(read int64, reply io.Reader) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if read < 0 {
			read = 1 << 40
		}
		_, _ = io.CopyN(io.Discard, r.Body, read)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(reply), ContentLength: -1, Request: r}, nil
	})
}

func request(t *testing.T, body io.Reader, length int64) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://upstream.invalid/", body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = length
	return req
}

func wantCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok || e.Status != status || e.Code != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
	if ok && (e.RetryAfter > 0) != (status == http.StatusServiceUnavailable) {
		t.Errorf("%s: Retry-After %v", code, e.RetryAfter)
	}
}

func wantUsed(t *testing.T, b *payload.Budget, want int64) {
	t.Helper()
	if got := b.Used(); got != want {
		t.Errorf("%d bytes of the budget are taken, want %d", got, want)
	}
}

func TestT84_BodiesBeyondTheBudgetAreRefused(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"announced": 100 * kib, "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := payload.NewBudget(1024 * kib)
			var first, second *http.Response
			rt := budget.Within(carry(upstream(0, strings.NewReader("")))) // holds every request until its reply is closed
			for _, resp := range []**http.Response{&first, &second} {
				var err error
				if *resp, err = rt.RoundTrip(request(t, bytes.NewReader(make([]byte, 100*kib)), length)); err != nil {
					t.Fatal(err)
				}
			}
			read := &counting{Reader: bytes.NewReader(make([]byte, 100*kib))}
			_, err := rt.RoundTrip(request(t, read, length))
			wantCode(t, err, http.StatusServiceUnavailable, "buffers_full")
			if length > 0 && read.n > 0 {
				t.Errorf("%d bytes were read of a body that was known not to fit", read.n)
			}
			_, err = rt.RoundTrip(request(t, bytes.NewReader(make([]byte, 300*kib)), map[int64]int64{-1: -1, length: 300 * kib}[length]))
			wantCode(t, err, http.StatusRequestEntityTooLarge, "request_too_large")
			_ = first.Body.Close()
			resp, err := rt.RoundTrip(request(t, bytes.NewReader(make([]byte, 100*kib)), length))
			if err != nil {
				t.Fatalf("with room again: %v", err)
			}
			_, _ = resp.Body.Close(), second.Body.Close()
			_ = second.Body.Close() // a second time gives nothing back
			wantUsed(t, budget, 0)
		})
	}
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestAnAnnouncedLengthTakesNoMemory(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(1 << 30)
	var taken int64
	body := roundReader(func([]byte) (int, error) {
		taken = budget.Used()
		return 0, errors.New("gone")
	})
	_, err := budget.Within(carry(upstream(-1, nil))).RoundTrip(request(t, body, 200<<20))
	wantCode(t, err, http.StatusBadRequest, "request_incomplete")
	if taken > 4<<20 {
		t.Errorf("%d bytes are taken for a body of which nothing has come", taken)
	}
	wantUsed(t, budget, 0)
}

type roundReader func([]byte) (int, error)

func (f roundReader) Read(p []byte) (int, error) { return f(p) }

func TestASentRequestIsNotHeldWhileItsReplyStreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		read, held int64
		hands      int // it goes through
	}{
		"all of it is out":                                {-1, 0, 1},
		"the upstream answered early":                     {10, 4 * 8 * kib, 1},
		"all of it is out, through several hands":         {-1, 0, 3},
		"the upstream answered the last of several early": {10, 4 * 8 * kib, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := payload.NewBudget(1 << 20)
			rt := upstream(test.read, strings.NewReader("reply"))
			for range test.hands {
				rt = carry(rt)
			}
			resp, err := budget.Within(rt).RoundTrip(request(t, bytes.NewReader(make([]byte, 8*kib)), 8*kib))
			if err != nil {
				t.Fatal(err)
			}
			wantUsed(t, budget, test.held)
			rest, err := io.ReadAll(resp.Request.Body)
			if err != nil || test.read > 0 && len(rest) != 8*kib-10 {
				t.Errorf("the rest of the request: %d bytes, %v", len(rest), err)
			}
			again, err := resp.Request.GetBody()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(again); (err == nil) != (test.read > 0) {
				t.Errorf("reading the request once more: %v", err)
			}
			_ = resp.Body.Close()
			wantUsed(t, budget, 0)
		})
	}
}

func TestASecondTryHoldsWhatItSends(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(1 << 20)
	rt := roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := payload.Read(r, 1<<20, "")
		if err != nil {
			return nil, err
		}
		first, err := payload.Send(upstream(-1, strings.NewReader("")), r.Clone(r.Context()), body)
		if err != nil {
			return nil, err
		}
		_ = first.Body.Close()
		return payload.Send(upstream(1, strings.NewReader("")), r.Clone(r.Context()), body)
	})
	resp, err := budget.Within(rt).RoundTrip(request(t, strings.NewReader("twice"), 5))
	if err != nil {
		t.Fatal(err)
	}
	wantUsed(t, budget, 3*5)
	_ = resp.Body.Close()
	wantUsed(t, budget, 0)
}

func TestT84_RepliesAndEventsBeyondTheBudgetAreRefused(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(300 * kib)
	reply := func(n int) (*http.Response, error) {
		rt := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := upstream(-1, bytes.NewReader(make([]byte, n))).RoundTrip(r)
			if err == nil {
				err = payload.Replace(resp, 1<<30, func(doc []byte) ([]byte, error) { return doc, nil })
			}
			return resp, err
		})
		return budget.Within(rt).RoundTrip(request(t, strings.NewReader("x"), 1))
	}
	_, err := reply(200 * kib)
	wantCode(t, err, http.StatusBadGateway, "reply_too_large")
	held, err := reply(60 * kib)
	if err != nil {
		t.Fatal(err)
	}
	wantUsed(t, budget, 3*60*kib)
	_, err = reply(60 * kib)
	wantCode(t, err, http.StatusServiceUnavailable, "buffers_full")

	room := payload.EventRoom(held)
	if err := room(4 * kib); err != nil {
		t.Errorf("an event in what is taken already: %v", err)
	}
	wantCode(t, room(100*kib), http.StatusServiceUnavailable, "buffers_full")
	_ = held.Body.Close()
	wantCode(t, room(60*kib), http.StatusServiceUnavailable, "buffers_full") // the exchange is over
	wantUsed(t, budget, 0)
}

func TestWithoutABudgetThereIsRoom(t *testing.T) {
	t.Parallel()
	resp, err := carry(upstream(-1, strings.NewReader("ok"))).RoundTrip(request(t, bytes.NewReader(make([]byte, 1<<20)), -1))
	if err != nil {
		t.Fatal(err)
	}
	if err := payload.EventRoom(resp)(1 << 30); err != nil {
		t.Error(err)
	}
	resp.Request = nil
	if err := payload.EventRoom(resp)(1 << 30); err != nil {
		t.Error(err)
	}
	_ = resp.Body.Close()
}

func TestReadStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, 5000} {
		for n, fits := range map[int]bool{0: true, 4999: true, 5000: true, 5001: false, 100_000: false} {
			if length >= 0 && int64(n) < length {
				continue // a body that broke off
			}
			body := &counting{Reader: bytes.NewReader(bytes.Repeat([]byte("x"), n))}
			got, err := payload.Read(request(t, body, length).WithContext(context.Background()), 5000, "")
			if fits && (err != nil || len(got) != n) {
				t.Errorf("%d bytes, announced as %d: %d, %v", n, length, len(got), err)
			}
			if !fits {
				wantCode(t, err, http.StatusRequestEntityTooLarge, "request_too_large")
			}
			if body.n > 5001 {
				t.Errorf("%d bytes were read", body.n)
			}
		}
	}
}
