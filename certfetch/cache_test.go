package certfetch_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

// The tests of time run in synctest bubbles: there time.Now is the bubble's
// clock, it moves only when all wait, and nothing depends on the machine.

func TestCacheFetchesOnceAndAgainAfterMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.want(t, "m", first, 1)
		b.source.give(second)
		time.Sleep(time.Hour - time.Nanosecond)
		b.want(t, "m", first, 1)
		time.Sleep(time.Nanosecond)
		b.want(t, "m", second, 2)
		b.want(t, "m", second, 2)
		b.want(t, "another", second, 3)
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
			_, err := get(b.Cache, "m")
			wantRefusal(t, err, refusal{status: 503, code: "certificate_untrusted", says: "nothing was sent (endpoint certificate", noRetry: true})
			b.wantAsked(t, asked+1)
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
		b.want(t, "m", leaf, 2)
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

func TestCacheWarmTellsOfEveryFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf := b.pki.leaf(t)
		b.source.then(func(_ context.Context, q ark.Query) ([]*x509.Certificate, error) {
			if q.Model == "good" {
				return chain(leaf), nil
			}
			return nil, scripted(http.StatusNotFound)
		})
		err := b.Warm(t.Context(), []string{"bad", "good", "worse"}, false)
		wantFault(t, err, `"bad"`)
		wantFault(t, err, `"worse"`)
		states := b.State()
		if len(states) != 1 || states[0].Model != "good" || states[0].NotAfter != leaf.NotAfter || states[0].Stale ||
			states[0].Serial != fmt.Sprintf("%x", leaf.SerialNumber) || len(states[0].SPKI) != 44 || !states[0].Fetched.Equal(time.Now()) {
			t.Errorf("state %+v", states)
		}
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
