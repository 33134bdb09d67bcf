package certfetch_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

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

		time.Sleep(time.Hour)
		b.source.fail(http.StatusInternalServerError)
		b.want(t, "m", leaf, 2) // too old: tried, failed, serves on
		b.want(t, "m", leaf, 2) // not tried again within the back-off
		if len(b.faults) != 1 || !b.State()[0].Stale {
			t.Errorf("reported %v, state %+v", b.faults, b.State())
		}
		time.Sleep(30 * time.Second)
		b.want(t, "m", leaf, 3)

		time.Sleep(time.Until(end))
		b.want(t, "m", leaf, 4) // NotAfter itself is in force (RFC 5280 §4.1.2.5)
		time.Sleep(time.Second)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusInternalServerError)
		b.wantAsked(t, 5)
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
		slow := make(chan *x509.Certificate)
		go func() { slow <- ask("a") }()
		synctest.Wait()
		if !ask("b").Equal(renewed) {
			t.Error("b got no renewed certificate")
		}
		close(fail)
		if !(<-slow).Equal(renewed) || !ask("a").Equal(renewed) {
			t.Error("the failed renewal brought the old certificate back")
		}
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
		b.want(t, "m", old, 2)
		b.source.give(renewed)
		b.want(t, "m", old, 2)
		time.Sleep(30 * time.Second)
		b.want(t, "m", renewed, 3)
		if b.State()[0].Stale {
			t.Error("still stale after a renewal")
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

// A sub CA may end before its leaf does. What serves on is judged anew as a whole.
func TestCacheDoesNotServeOnBeyondItsAuthority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		short := b.pki.root.authority(t, time.Now(), validity(time.Now().Add(-time.Hour), time.Now().Add(90*time.Minute)))
		leaf := short.leaf(t, time.Now())
		b.source.give(leaf, short.cert)
		b.want(t, "m", leaf, 1)
		b.source.fail(http.StatusServiceUnavailable)
		time.Sleep(time.Hour)
		b.want(t, "m", leaf, 2)
		time.Sleep(31 * time.Minute)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
	})
}

func TestCacheClockSetBackMeansAskingAnew(t *testing.T) {
	t.Parallel()
	now, leaf := now, newPKI(t, now)
	b := newRig(t, func(c *certfetch.CacheConfig) {
		c.Now = func() time.Time { return now }
		c.Verifier = &certfetch.Verifier{Roots: leaf.roots(t), Now: c.Now}
	})
	first, second := leaf.leaf(t), leaf.leaf(t)
	b.source.give(first)
	b.want(t, "m", first, 1)
	now = now.Add(-time.Minute)
	b.source.fail(http.StatusServiceUnavailable)
	b.want(t, "m", first, 2)
	now = now.Add(-time.Hour) // the back-off of before must not last an hour now
	b.source.give(second)
	b.want(t, "m", second, 3)
}
