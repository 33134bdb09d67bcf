package payload_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/payload"
)

// noting carries a request as it is, and notes where in memory its body is.
func noting(at *[]*byte, base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := payload.Read(r, 1<<20, "")
		if err != nil {
			return nil, err
		}
		*at = append(*at, &body[0])
		return payload.Send(base, r.Clone(r.Context()), body)
	})
}

// Each translation on the way of a request reads it whole and sends it on.
func TestABodyIsInMemoryOnceHoweverManyHandItOn(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(1 << 20)
	var at []*byte
	var taken int64
	last := roundTripper(func(r *http.Request) (*http.Response, error) {
		taken = budget.Used()
		return upstream(-1, strings.NewReader("")).RoundTrip(r)
	})
	rt := budget.Within(noting(&at, noting(&at, noting(&at, last))))
	resp, err := rt.RoundTrip(request(t, bytes.NewReader(make([]byte, 8*kib)), 8*kib))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(at) != 3 || at[0] != at[1] || at[1] != at[2] {
		t.Errorf("the body was copied on its way: it is at %v", at)
	}
	if taken != 4*8*kib {
		t.Errorf("%d bytes are taken for one body of %d", taken, 8*kib)
	}
}

// What grows on its way is counted as large as it has become.
func TestABodyThatGrewOnItsWayIsCountedAgain(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(100 * kib)
	var at []*byte
	double := roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := payload.Read(r, 1<<20, "")
		if err != nil {
			return nil, err
		}
		return payload.Send(noting(&at, upstream(-1, strings.NewReader(""))), r.Clone(r.Context()), append(body, body...))
	})
	_, err := budget.Within(double).RoundTrip(request(t, bytes.NewReader(make([]byte, 15*kib)), -1))
	wantCode(t, err, http.StatusRequestEntityTooLarge, "request_too_large")
	wantUsed(t, budget, 0)
	_, err = double.RoundTrip(request(t, bytes.NewReader(make([]byte, 600*kib)), -1))
	wantCode(t, err, http.StatusRequestEntityTooLarge, "request_too_large") // by the limit of who reads it then
}

func TestABodyOfWhichSomeWasReadIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	rt := roundTripper(func(r *http.Request) (*http.Response, error) {
		if _, err := io.CopyN(io.Discard, r.Body, 2); err != nil {
			return nil, err
		}
		rest, err := payload.Read(r, 100, "")
		if err != nil || string(rest) != "llo" {
			t.Errorf("the rest is %q, %v", rest, err)
		}
		return nil, errBroken
	})
	_, err := payload.Send(rt, request(t, strings.NewReader(""), 0), []byte("hello"))
	if err != errBroken { //nolint:errorlint // the very one
		t.Error(err)
	}
}

func TestAReplyIsInMemoryOnceHoweverManyReplaceIt(t *testing.T) {
	t.Parallel()
	resp := &http.Response{Header: http.Header{}, Body: io.NopCloser(strings.NewReader("reply")), ContentLength: -1}
	var at []*byte
	for range 3 {
		err := payload.Replace(resp, 5, func(doc []byte) ([]byte, error) {
			at = append(at, &doc[0])
			return doc, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if at[0] != at[1] || at[1] != at[2] {
		t.Errorf("the reply was copied on its way: it is at %v", at)
	}
	wantCode(t, payload.Replace(resp, 4, nil), http.StatusBadGateway, "reply_too_large")
	first := make([]byte, 2)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	if err := payload.Replace(resp, 5, func(doc []byte) ([]byte, error) { return append(first, doc...), nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "reply" {
		t.Errorf("%q, %v", got, err)
	}
}

// inside runs fn inside a budget, in the place of an exchange's upstream.
func inside(t *testing.T, b *payload.Budget, fn func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	t.Helper()
	return b.Within(roundTripper(fn)).RoundTrip(request(t, strings.NewReader(""), 0))
}

func TestT84_PartsOfARequestAreInsideItsBudget(t *testing.T) {
	t.Parallel()
	const size = 20 * kib
	budget := payload.NewBudget(300 * kib)
	part := func() *counting { return &counting{Reader: bytes.NewReader(make([]byte, size))} }
	_, err := inside(t, budget, func(r *http.Request) (*http.Response, error) {
		for n := range int64(3) {
			if got, err := payload.ReadPart(r.Context(), part(), size, size); err != nil || len(got) != size {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			wantUsed(t, budget, 2*(n+1)*(size+1)) // each besides the others
		}
		if err := payload.Reserve(r.Context(), 2*size); err != nil { // as much as they are together by now
			t.Error(err)
		}
		if err := payload.Reserve(r.Context(), 50*kib); err != nil {
			t.Error(err)
		}
		wantUsed(t, budget, 4*50*kib)
		last := &counting{Reader: bytes.NewReader(make([]byte, 1<<20))}
		_, err := payload.ReadPart(r.Context(), last, 1<<20, -1)
		wantCode(t, err, http.StatusRequestEntityTooLarge, "request_too_large")
		if last.n > 50*kib {
			t.Errorf("%d bytes were read into no room", last.n)
		}
		wantCode(t, payload.Reserve(r.Context(), 80*kib), http.StatusRequestEntityTooLarge, "request_too_large")
		return nil, errBroken
	})
	if err != errBroken { //nolint:errorlint // the very one
		t.Error(err)
	}
	wantUsed(t, budget, 0)
}

func TestT84_PartsWaitForNobody(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(300 * kib)
	held, err := budget.Within(carry(upstream(0, strings.NewReader("")))).RoundTrip(request(t, bytes.NewReader(make([]byte, 60*kib)), -1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = inside(t, budget, func(r *http.Request) (*http.Response, error) {
		got, err := payload.ReadPart(r.Context(), bytes.NewReader(make([]byte, 60*kib)), 1<<20, -1)
		return nil, fmt.Errorf("%d bytes: %w", len(got), err)
	})
	wantCode(t, err, http.StatusServiceUnavailable, "buffers_full")
	_ = held.Body.Close()
	wantUsed(t, budget, 0)
}

func TestT84_WhatIsKeptOfAReplyIsInsideItsBudget(t *testing.T) {
	t.Parallel()
	budget := payload.NewBudget(300 * kib)
	resp, err := inside(t, budget, upstream(-1, strings.NewReader("")).RoundTrip)
	if err != nil {
		t.Fatal(err)
	}
	keep, events := payload.KeepRoom(resp), payload.EventRoom(resp)
	for _, n := range []int64{10 * kib, 5 * kib, 20 * kib} {
		if err := keep(n); err != nil {
			t.Error(err)
		}
	}
	wantUsed(t, budget, 8*20*kib)
	if err := events(10 * kib); err != nil {
		t.Error(err)
	}
	wantUsed(t, budget, 8*20*kib+4*10*kib) // what is kept is there besides the event
	wantCode(t, keep(35*kib), http.StatusServiceUnavailable, "buffers_full")
	wantCode(t, keep(40*kib), http.StatusBadGateway, "reply_too_large")
	_ = resp.Body.Close()
	wantUsed(t, budget, 0)
	resp.Request = nil
	if err := payload.KeepRoom(resp)(1 << 40); err != nil {
		t.Errorf("without a budget: %v", err)
	}
}
