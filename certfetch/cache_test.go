package certfetch_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

// The tests of time run in synctest bubbles: there time.Now is the bubble's
// clock, it moves only when all wait, and nothing depends on the machine.

func TestCacheRenewsAheadOfMaxAgeAndNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.want(t, "m", first, 1)
		time.Sleep(54*time.Minute - time.Nanosecond)
		b.want(t, "m", first, 1)
		synctest.Wait()
		b.wantAsked(t, 1)
		time.Sleep(time.Nanosecond)
		release := make(chan struct{})
		b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) {
			<-release
			return chain(second), nil
		})
		for range 100 {
			start := time.Now()
			if c, err := get(b.Cache, "m"); err != nil || !c.Leaf.Equal(first) || time.Since(start) != 0 {
				t.Fatalf("%v, %v after %v; want the old one at once", c, err, time.Since(start))
			}
		}
		synctest.Wait()
		b.wantAsked(t, 2) // once for all of them
		close(release)
		synctest.Wait()
		b.want(t, "m", second, 2)
		b.source.give(second)
		b.want(t, "another", second, 3)
	})
}

func TestCacheRenewsAfterALongSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.want(t, "m", first, 1)
		time.Sleep(100 * time.Hour)
		b.source.give(second)
		b.renews(t, "m", first, second, 2)
	})
}

func TestCacheJitterSpreadsRenewals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for jitter, want := range map[float64]time.Duration{0: 54 * time.Minute, 0.5: 51 * time.Minute} {
			b := newRig(t, func(c *certfetch.CacheConfig) { c.Jitter = func() float64 { return jitter } })
			b.source.give(b.pki.leaf(t))
			if _, err := get(b.Cache, "m"); err != nil {
				t.Fatal(err)
			}
			if got := time.Until(b.State()[0].Renewal); got != want {
				t.Errorf("jitter %v: renewal in %v, want %v", jitter, got, want)
			}
		}
	})
}

func TestCacheRenewsAheadOfExpiryButNotInHaste(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, func(c *certfetch.CacheConfig) { c.MaxAge = 1000 * time.Hour })
		start := time.Now()
		leaf := b.pki.leaf(t, validity(start, start.Add(20*time.Hour)))
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		if got := time.Until(b.State()[0].Renewal); got != 19*time.Hour {
			t.Errorf("renewal in %v, want an hour before the end", got)
		}
		time.Sleep(19 * time.Hour)
		b.renews(t, "m", leaf, leaf, 2) // there is no newer one yet
		time.Sleep(time.Minute - time.Nanosecond)
		b.renews(t, "m", leaf, leaf, 2)
		time.Sleep(time.Nanosecond)
		b.renews(t, "m", leaf, leaf, 3)
	})
}

func TestCacheKeepsAICCApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		plain, named := b.pki.leaf(t), b.pki.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"ring.r", "key.k"} })
		b.source.give(plain)
		b.want(t, "m", plain, 1)
		b.source.give(named)
		c, err := b.Certificate(t.Context(), ark.Query{Model: "m", AICC: true})
		if err != nil || c.RingID != "r" {
			t.Errorf("%+v, %v", c, err)
		}
		b.want(t, "m", plain, 2)
	})
}

func TestT12_UntrustedCertificateIsRefusedAndNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		b.source.give(newPKI(t, time.Now()).leaf(t))
		for asked := range int32(2) {
			for range 10 {
				_, err := get(b.Cache, "m")
				wantRefusal(t, err, refusal{status: 503, code: "certificate_untrusted", says: "nothing was sent (endpoint certificate", noRetry: true})
				b.wantAsked(t, asked+1)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if s := b.State(); len(s) != 0 {
			t.Errorf("kept: %+v", s)
		}
	})
}

func TestT12_UntrustedRenewalDoesNotReplaceWhatIsTrusted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		time.Sleep(time.Hour)
		b.source.give(newPKI(t, time.Now()).leaf(t))
		b.renews(t, "m", leaf, leaf, 2)
		if len(b.faults) != 1 {
			t.Errorf("reported %v", b.faults)
		}
	})
}

func TestCacheForgetsWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Size = 2 })
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "a", leaf, 1)
		b.want(t, "b", leaf, 2)
		b.want(t, "a", leaf, 2)
		b.want(t, "c", leaf, 3) // b goes
		b.want(t, "a", leaf, 3)
		b.want(t, "b", leaf, 4)
		if n := len(b.State()); n != 2 {
			t.Errorf("%d certificates in memory, want 2", n)
		}
		if n := b.Counts(); n != (certfetch.Counts{Fetches: 4, Evictions: 2}) {
			t.Errorf("counts %+v", n)
		}
	})
}

func TestCacheRefusesModelNamesItWouldHaveToKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		for _, model := range []string{"", fmt.Sprintf("%0257d", 1)} {
			_, err := get(b.Cache, model)
			wantRefusal(t, err, refusal{status: 400, code: "invalid_model", says: "send the name"})
		}
		b.wantAsked(t, 0)
	})
}

func TestNewCacheWantsItsParts(t *testing.T) {
	t.Parallel()
	for _, config := range []certfetch.CacheConfig{{}, {Source: new(script)}, {Verifier: new(certfetch.Verifier)}} {
		if _, err := certfetch.NewCache(config); err == nil {
			t.Errorf("%+v was accepted", config)
		}
	}
}
