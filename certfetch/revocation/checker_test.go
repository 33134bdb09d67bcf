package revocation_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch/revocation"
)

func TestEveryCertificateOfThePathButTheAnchorIsAskedAbout(t *testing.T) {
	t.Parallel()
	h, root := newHost(t), newRoot(t)
	ca := root.sub(t, crlAt(h.URL+"/root"))
	leaf := ca.leaf(t, crlAt(h.URL+"/ca"))
	h.give("/ca", ca.crl(t, nil))
	h.give("/root", root.crl(t, nil))
	c, _ := newChecker(t)
	want(t, check(c, leaf, ca.cert, root.cert), revocation.Good, "")

	h.give("/root", root.crl(t, []*x509.Certificate{ca.cert}))
	c, _ = newChecker(t)
	want(t, check(c, leaf, ca.cert, root.cert), revocation.Revoked, fmt.Sprintf("certificate %x is revoked", ca.cert.SerialNumber))

	h.serve("/root", http.NotFound)
	c, _ = newChecker(t)
	want(t, check(c, leaf, ca.cert, root.cert), revocation.Unknown, "it answered 404")

	h.give("/ca", ca.crl(t, []*x509.Certificate{leaf})) // revoked wins over not knowing
	c, _ = newChecker(t)
	want(t, check(c, leaf, ca.cert, root.cert), revocation.Revoked, fmt.Sprintf("certificate %x is revoked", leaf.SerialNumber))
}

func TestCRLAndOCSPJudgeTogether(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf := ca.leaf(t, crlAt(h.URL+"/crl"), ocspAt(h.URL+"/ocsp"))
	absent := func(path string) { h.serve(path, http.NotFound) }
	tests := []struct {
		name      string
		crl, ocsp []byte
		want      revocation.Verdict
		says      string
	}{
		{"both good", ca.crl(t, nil), ca.answer(t, leaf, ca), revocation.Good, ""},
		{"OCSP alone", nil, ca.answer(t, leaf, ca), revocation.Good, ""},
		{"CRL alone", ca.crl(t, nil), nil, revocation.Good, ""},
		{"neither", nil, nil, revocation.Unknown, "404"},
		{"CRL revokes", ca.crl(t, []*x509.Certificate{leaf}), ca.answer(t, leaf, ca), revocation.Revoked, "says CRL"},
		{"OCSP revokes", ca.crl(t, nil), ca.answer(t, leaf, ca, revokedAnswer), revocation.Revoked, "says OCSP"},
		{"OCSP revokes, no CRL", nil, ca.answer(t, leaf, ca, revokedAnswer), revocation.Revoked, "says OCSP"},
	}
	for _, tt := range tests { // one after the other: they share the paths
		t.Run(tt.name, func(t *testing.T) {
			for path, body := range map[string][]byte{"/crl": tt.crl, "/ocsp": tt.ocsp} {
				if h.give(path, body); body == nil {
					absent(path)
				}
			}
			c, _ := newChecker(t)
			want(t, check(c, leaf, ca.cert), tt.want, tt.says)
		})
	}
}

func TestCertificateWithoutAddressesIsUnknown(t *testing.T) {
	t.Parallel()
	ca := newRoot(t)
	c, _ := newChecker(t)
	want(t, check(c, ca.leaf(t), ca.cert), revocation.Unknown, "names no CRL and no OCSP responder")
	want(t, check(c, ca.cert), revocation.Unknown, "no issuer")
}

func TestListIsKeptRefreshedAheadAndHonouredUntilNextUpdate(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	first, second := ca.leaf(t, crlAt(h.URL+"/crl")), ca.leaf(t, crlAt(h.URL+"/crl"))
	list := func(this, next time.Time, revoked ...*x509.Certificate) []byte {
		return ca.crl(t, revoked, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = this, next })
	}
	h.give("/crl", list(now, now.Add(8*time.Hour)))
	c, clock := newChecker(t)
	s := check(c, first, ca.cert)
	want(t, s, revocation.Good, "")
	if !s.Due.Equal(now.Add(6*time.Hour)) || !s.NextUpdate.Equal(now.Add(8*time.Hour)) {
		t.Errorf("due %v, next update %v", s.Due, s.NextUpdate)
	}
	want(t, check(c, second, ca.cert), revocation.Good, "") // one list for both
	clock.forward(6*time.Hour - time.Nanosecond)
	want(t, check(c, first, ca.cert), revocation.Good, "")
	if n := h.asked.Load(); n != 1 {
		t.Fatalf("asked %d times before it was due, want once", n)
	}

	// Due, and the host is down: the list serves until its nextUpdate.
	h.serve("/crl", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	clock.forward(time.Nanosecond)
	s = check(c, first, ca.cert)
	want(t, s, revocation.Good, "")
	if !s.Due.Equal(clock.Now().Add(10 * time.Second)) {
		t.Errorf("due %v after a failure", s.Due)
	}
	check(c, first, ca.cert)
	if n := h.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want no more within the back-off", n)
	}
	clock.forward(2 * time.Hour)
	want(t, check(c, first, ca.cert), revocation.Good, "") // nextUpdate itself
	clock.forward(10 * time.Second)
	want(t, check(c, first, ca.cert), revocation.Unknown, "it answered 503")

	// It is back, and revokes.
	h.give("/crl", list(clock.Now(), clock.Now().Add(8*time.Hour), first))
	clock.forward(time.Hour)
	want(t, check(c, first, ca.cert), revocation.Revoked, "is revoked")
	want(t, check(c, second, ca.cert), revocation.Good, "")
}

func TestListThatLivesLongIsReadDaily(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	h.give("/crl", ca.crl(t, nil, func(l *x509.RevocationList) { l.NextUpdate = now.Add(90 * day) }))
	c, _ := newChecker(t, func(c *revocation.Config) { c.Jitter = func() float64 { return 0.5 } })
	s := check(c, ca.leaf(t, crlAt(h.URL+"/crl")), ca.cert)
	if got, want := s.Due.Sub(now), 24*time.Hour*95/100; got != want {
		t.Errorf("due after %v, want %v", got, want)
	}
}

func TestOlderListDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf := ca.leaf(t, crlAt(h.URL+"/crl"))
	h.give("/crl", ca.crl(t, []*x509.Certificate{leaf}))
	c, clock := newChecker(t)
	want(t, check(c, leaf, ca.cert), revocation.Revoked, "")
	h.give("/crl", ca.crl(t, nil, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(-2 * time.Hour) }))
	clock.forward(20 * time.Hour)
	want(t, check(c, leaf, ca.cert), revocation.Revoked, "") // replayed, from before the revocation
}

func TestHostThatIsDownCostsOneWaitForAllCertificates(t *testing.T) {
	t.Parallel()
	ca := newRoot(t)
	var asked int
	c, clock := newChecker(t, func(c *revocation.Config) {
		c.Client = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			asked++
			return nil, io.ErrUnexpectedEOF
		})}
	})
	for i := range 5 {
		want(t, check(c, ca.leaf(t, crlAt(fmt.Sprintf("http://crl.example/%d", i))), ca.cert), revocation.Unknown, "could not be reached")
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	clock.forward(10 * time.Second)
	check(c, ca.leaf(t, crlAt("http://crl.example/")), ca.cert)
	if asked != 2 {
		t.Error("not asked again after the back-off")
	}
}

func TestManyChecksOneFetch(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf, body := ca.leaf(t, crlAt(h.URL+"/crl")), ca.crl(t, nil)
	h.serve("/crl", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	c, _ := newChecker(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { want(t, check(c, leaf, ca.cert), revocation.Good, "") })
	}
	all.Wait()
	if n := h.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	body := ca.crl(t, nil)
	c, _ := newChecker(t)
	first := ca.leaf(t, crlAt(h.URL+"/first"))
	h.give("/first", body)
	check(c, first, ca.cert)
	for i := range 128 {
		path := fmt.Sprintf("/%d", i)
		h.give(path, body)
		check(c, ca.leaf(t, crlAt(h.URL+path)), ca.cert)
	}
	before := h.asked.Load()
	check(c, first, ca.cert)
	if h.asked.Load() != before+1 {
		t.Error("the first list is remembered beyond the bound")
	}
}

func TestSkewIsToleratedOnTheTimesOfAList(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	for path, times := range map[string][2]time.Time{
		"/fast": {now.Add(4 * time.Minute), now.Add(day)}, "/slow": {now.Add(-day), now.Add(-4 * time.Minute)},
	} {
		h.give(path, ca.crl(t, nil, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = times[0], times[1] }))
		strict, _ := newChecker(t)
		want(t, check(strict, ca.leaf(t, crlAt(h.URL+path)), ca.cert), revocation.Unknown, "it is")
		tolerant, _ := newChecker(t, func(c *revocation.Config) { c.Skew = 5 * time.Minute })
		want(t, check(tolerant, ca.leaf(t, crlAt(h.URL+path)), ca.cert), revocation.Good, "")
	}
}

func TestNewWantsAClient(t *testing.T) {
	t.Parallel()
	if _, err := revocation.New(revocation.Config{}); err == nil {
		t.Error("accepted")
	}
}

func TestT16_RevocationStandsUntilANewerStatementLiftsIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reason  int
		outage  revocation.Verdict // once nextUpdate has passed and nobody answers
		forward time.Duration
	}{
		"for good":                     {1, revocation.Revoked, 2 * day},
		"without a reason":             {0, revocation.Revoked, 2 * day},
		"after the clock was set back": {1, revocation.Revoked, -2 * day},
		"on hold":                      {6, revocation.Unknown, 2 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, ca := newHost(t), newRoot(t)
			leaf, other := ca.leaf(t, crlAt(h.URL+"/crl")), ca.leaf(t, crlAt(h.URL+"/crl"))
			h.give("/crl", ca.crl(t, []*x509.Certificate{leaf}, func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = tt.reason }))
			c, clock := newChecker(t)
			want(t, check(c, leaf, ca.cert), revocation.Revoked, "")
			h.serve("/crl", http.NotFound)
			clock.forward(tt.forward)
			for range 2 { // asked, and within the back-off
				want(t, check(c, leaf, ca.cert), tt.outage, "")
				want(t, check(c, other, ca.cert), revocation.Unknown, "it answered 404")
			}
			h.give("/crl", ca.crl(t, nil, func(l *x509.RevocationList) {
				l.ThisUpdate, l.NextUpdate = now.Add(time.Minute), now.Add(9*day)
			}))
			clock.forward(4 * day)
			want(t, check(c, leaf, ca.cert), revocation.Good, "")
		})
	}
}

func TestHostThatHangsLeavesTheNextAddressItsTime(t *testing.T) {
	t.Parallel()
	ca := newRoot(t)
	leaf, body := ca.leaf(t, crlAt("http://hangs.example/", "http://good.example/")), ca.crl(t, nil)
	synctest.Test(t, func(t *testing.T) {
		c, _ := newChecker(t, func(c *revocation.Config) {
			c.Timeout = 4 * time.Second
			c.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				wait := time.Second
				if r.Host == "hangs.example" {
					wait = time.Hour
				}
				select {
				case <-time.After(wait):
					return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			})}
		})
		start := time.Now()
		want(t, check(c, leaf, ca.cert), revocation.Good, "")
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v, want half of the 4 s for the first and 1 s for the second", took)
		}
	})
}

func TestHostIsNotBlamedForACallerWhoHasGone(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf, body := ca.leaf(t, crlAt(h.URL+"/crl")), ca.crl(t, nil)
	leaving, leave := context.WithCancel(t.Context())
	c, _ := newChecker(t)
	h.serve("/crl", func(_ http.ResponseWriter, r *http.Request) {
		leave()
		<-r.Context().Done()
	})
	want(t, c.Check(leaving, []*x509.Certificate{leaf, ca.cert}), revocation.Unknown, "")
	late, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	want(t, c.Check(late, []*x509.Certificate{leaf, ca.cert}), revocation.Unknown, "no time left")
	h.give("/crl", body)
	want(t, check(c, leaf, ca.cert), revocation.Good, "")
}
