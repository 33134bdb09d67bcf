package certfetch_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/apierror"
	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

func TestCacheServesOnThroughAnOutageUntilNotAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		end := time.Now().Add(3 * time.Hour)
		leaf := b.pki.leaf(t, validity(time.Now().Add(-time.Hour), end))
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		b.source.fail(http.StatusInternalServerError)

		// Far beyond MaxAge not one request fails or waits, and the source is not hammered.
		for !time.Now().After(end) {
			start := time.Now()
			c, err := get(b.Cache, "m")
			if err != nil || !c.Leaf.Equal(leaf) || time.Since(start) != 0 {
				t.Fatalf("%v before the end: %v, %v", time.Until(end), c, err)
			}
			synctest.Wait()
			time.Sleep(time.Second) // NotAfter itself is in force (RFC 5280 §4.1.2.5)
		}
		if n := b.source.asked.Load(); n < 200 || n > 300 {
			t.Errorf("asked %d times within two hours, want about every 30 s", n)
		}
		if s := b.State()[0]; !s.Stale || s.LastError == "" || len(b.faults) != int(b.source.asked.Load())-1 {
			t.Errorf("reported %d faults, state %+v", len(b.faults), s)
		}
		time.Sleep(time.Minute)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusInternalServerError)
	})
}

// Two credentials, two flights: the one that fails must not undo the renewal of
// the one that succeeded meanwhile.
func TestCacheFailedRenewalDoesNotUndoAnothers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := new(keyed)
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Source = source })
		old, renewed, fail := b.pki.leaf(t), b.pki.leaf(t), make(chan struct{})
		source.give(old)
		ask := func(credential string) *x509.Certificate {
			c, err := b.Certificate(context.Background(), ark.Query{Model: "m", Credential: credential})
			if err != nil {
				t.Error(err)
				return nil
			}
			synctest.Wait()
			return c.Leaf
		}
		ask("a")
		time.Sleep(time.Hour)
		source.then(func(_ context.Context, q ark.Query) ([]*x509.Certificate, error) {
			if q.Credential == "a" {
				<-fail
				return nil, scripted(http.StatusServiceUnavailable)
			}
			return chain(renewed), nil
		})
		ask("a")
		ask("b")
		if !ask("b").Equal(renewed) {
			t.Error("b got no renewed certificate")
		}
		close(fail)
		synctest.Wait()
		if !ask("a").Equal(renewed) {
			t.Error("the failed renewal brought the old certificate back")
		}
	})
}

// A fetch that began before the certificate changed must not undo one that
// began after it, however late it ends.
func TestCacheLateAnswerDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		old, renewed, late := b.pki.leaf(t), b.pki.leaf(t), make(chan struct{})
		b.source.give(old)
		b.want(t, "m", old, 1)
		time.Sleep(time.Hour)
		b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) {
			<-late
			return chain(old), nil
		})
		b.serves(t, "m", old)
		synctest.Wait()
		time.Sleep(time.Second)
		b.source.give(renewed)
		stale, _ := get(b.Cache, "m")
		if c, changed, err := b.Renew(t.Context(), ark.Query{Model: "m"}, stale); err != nil || !changed || !c.Leaf.Equal(renewed) {
			t.Fatalf("%v, %t, %v", c, changed, err)
		}
		close(late)
		synctest.Wait()
		b.want(t, "m", renewed, 3)
	})
}

func TestCacheRecoversAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		old, renewed := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(old)
		b.want(t, "m", old, 1)
		time.Sleep(time.Hour)
		b.source.fail(http.StatusServiceUnavailable)
		b.renews(t, "m", old, old, 2)
		if s := b.State()[0]; !s.Stale || s.LastError == "" {
			t.Errorf("state %+v", s)
		}
		b.source.give(renewed)
		b.renews(t, "m", old, old, 2)
		time.Sleep(30 * time.Second)
		b.renews(t, "m", old, renewed, 3)
		if s := b.State()[0]; s.Stale || s.LastError != "" {
			t.Errorf("after the renewal: %+v", s)
		}
	})
}

func TestCacheFailureWithNothingAtHandIsRemembered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault      *apierror.Error
		again      time.Duration // until the source is asked again
		retryAfter time.Duration // that the application is told
	}{
		{&apierror.Error{Status: 503, Code: "certificate_unavailable"}, 500 * time.Millisecond, 500 * time.Millisecond},
		{&apierror.Error{Status: 503, Code: "certificate_unavailable", RetryAfter: 7 * time.Second}, 7 * time.Second, 7 * time.Second},
		{&apierror.Error{Status: 429, Code: "certificate_rate_limited"}, 5 * time.Second, 5 * time.Second},
		{&apierror.Error{Status: 429, Code: "certificate_rate_limited", RetryAfter: time.Hour}, time.Minute, time.Hour},
		{&apierror.Error{Status: 401, Code: "certificate_unauthorized"}, 5 * time.Second, 0},
		{&apierror.Error{Status: 403, Code: "certificate_forbidden"}, 5 * time.Second, 0},
		{&apierror.Error{Status: 404, Code: "certificate_not_found"}, 5 * time.Second, 0},
		{&apierror.Error{Status: 502, Code: "certificate_rejected", NoRetry: true}, 5 * time.Second, 0},
	} {
		t.Run(fmt.Sprint(tt.fault.Code, tt.fault.RetryAfter), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newRig(t)
				b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) { return nil, tt.fault })
				want := refusal{status: tt.fault.Status, code: tt.fault.Code, retryAfter: tt.retryAfter, noRetry: tt.fault.NoRetry}
				for range 10 {
					_, err := get(b.Cache, "m")
					wantRefusal(t, err, want)
				}
				b.wantAsked(t, 1)
				time.Sleep(tt.again - time.Nanosecond)
				if _, err := get(b.Cache, "m"); err == nil {
					t.Error("no error")
				}
				b.wantAsked(t, 1)
				_, err := get(b.Cache, "another") // another certificate does not wait
				wantStatus(t, err, tt.fault.Status)
				b.wantAsked(t, 2)
				time.Sleep(time.Nanosecond)
				leaf := b.pki.leaf(t)
				b.source.give(leaf)
				b.want(t, "m", leaf, 3)
			})
		})
	}
}

func TestCacheBackoffGrowsWhileTheSourceFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		b.source.fail(http.StatusServiceUnavailable)
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			_, err := get(b.Cache, "m")
			wantStatus(t, err, http.StatusServiceUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		// 0.5, 1, 2, 4, 8, 16 s, and then every 30 s
		b.wantAsked(t, 7+int32((600-31)/30))
	})
}

func TestCacheSuccessEndsTheGrowthOfTheBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		fail := func(wait time.Duration) {
			t.Helper()
			b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) {
				return nil, &apierror.Error{Status: http.StatusServiceUnavailable}
			})
			_, err := get(b.Cache, "m")
			wantRefusal(t, err, refusal{status: 503, retryAfter: wait})
			time.Sleep(wait)
		}
		fail(500 * time.Millisecond)
		fail(time.Second)
		leaf := b.pki.leaf(t, validity(time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
		b.source.give(leaf)
		b.want(t, "m", leaf, 3)
		time.Sleep(2 * time.Hour)
		fail(500 * time.Millisecond)
	})
}

// Another's wrong key must not keep a good one from its certificate.
func TestCacheRemembersFailuresByCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := new(keyed)
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Source = source })
		leaf := b.pki.leaf(t)
		source.then(func(_ context.Context, q ark.Query) ([]*x509.Certificate, error) {
			if q.Credential == "bad" {
				return nil, scripted(http.StatusUnauthorized)
			}
			return chain(leaf), nil
		})
		for range 5 {
			_, err := b.Certificate(t.Context(), ark.Query{Model: "m", Credential: "bad"})
			wantStatus(t, err, http.StatusUnauthorized)
		}
		if _, err := b.Certificate(t.Context(), ark.Query{Model: "m", Credential: "good"}); err != nil {
			t.Error(err)
		}
		if n := source.asked.Load(); n != 2 {
			t.Errorf("asked %d times, want once per credential", n)
		}
	})
}

func TestT11_CachedCertificateIsNotUsedOutOfItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const skew = time.Minute
		b := newRig(t, func(c *certfetch.CacheConfig) { c.MaxAge = 1000 * time.Hour; c.Verifier.ClockSkew = skew })
		leaf := b.pki.leaf(t, validity(time.Now().Add(-time.Hour), time.Now().Add(time.Hour)))
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		b.source.fail(http.StatusServiceUnavailable)
		time.Sleep(time.Hour + skew)
		b.want(t, "m", leaf, 1) // young enough, and within the skew
		time.Sleep(time.Second)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
	})
}

// A sub CA may end before its leaf does.
func TestCacheDoesNotServeOnBeyondItsAuthority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		end := time.Now().Add(90 * time.Minute)
		short := b.pki.root.authority(t, time.Now(), validity(time.Now().Add(-time.Hour), end))
		leaf := short.leaf(t, time.Now())
		b.source.give(leaf, short.cert)
		b.want(t, "m", leaf, 1)
		if s := b.State()[0]; !s.Ends.Equal(end.Truncate(time.Second)) || s.Ends.Equal(s.NotAfter) {
			t.Errorf("ends %v, want %v", s.Ends, end)
		}
		b.source.fail(http.StatusServiceUnavailable)
		time.Sleep(time.Hour)
		b.serves(t, "m", leaf)
		synctest.Wait()
		time.Sleep(31 * time.Minute)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
	})
}

func TestCacheClockSetBackMeansAskingAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var back time.Duration
		b := newRig(t, func(c *certfetch.CacheConfig) {
			c.Now = func() time.Time { return time.Now().Add(-back) }
			c.Verifier.Now = c.Now
		})
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.want(t, "m", first, 1)
		back = time.Minute
		b.source.fail(http.StatusServiceUnavailable)
		b.renews(t, "m", first, first, 2)
		back = time.Hour // the back-off of before must not last an hour now
		b.source.give(second)
		b.renews(t, "m", first, second, 3)
	})
}
