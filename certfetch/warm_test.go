package certfetch_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

func queries(models ...string) []ark.Query {
	var list []ark.Query
	for _, m := range models {
		list = append(list, ark.Query{Model: m})
	}
	return list
}

func TestWarmTellsOfEveryFaultUntilAllAreAtHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		if err := b.Warm(); err != nil {
			t.Errorf("nothing was to be warmed: %v", err)
		}
		leaf, release := b.pki.leaf(t), make(chan struct{})
		b.source.then(func(_ context.Context, q ark.Query) ([]*x509.Certificate, error) {
			<-release
			if q.Model == "good" {
				return chain(leaf), nil
			}
			return nil, scripted(http.StatusNotFound)
		})
		b.KeepWarm(queries("bad", "good", "worse"), nil)
		wantFault(t, b.Warm(), "not all certificates")
		synctest.Wait()
		close(release)
		synctest.Wait()
		wantFault(t, b.Warm(), `"bad"`)
		wantFault(t, b.Warm(), `"worse"`)
		if s := b.State(); len(s) != 1 || s[0].Model != "good" {
			t.Errorf("state %+v", s)
		}
		b.source.give(leaf)
		time.Sleep(10 * time.Second)
		if err := b.Warm(); err != nil {
			t.Error(err)
		}
		if n := b.source.asked.Load(); n > 8 {
			t.Errorf("asked %d times: the back-off does not hold for the warm-up", n)
		}
	})
}

func TestWarmCertificatesAreKeptFreshWithoutRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.KeepWarm(queries("m"), nil)
		time.Sleep(time.Minute)
		b.source.give(second)
		time.Sleep(time.Hour)
		b.want(t, "m", second, 2)
	})
}

func TestWarmSaysWhenACertificateIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		b.source.give(b.pki.leaf(t, validity(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))))
		b.KeepWarm(queries("m"), nil)
		time.Sleep(time.Second)
		if err := b.Warm(); err != nil {
			t.Fatal(err)
		}
		b.source.fail(http.StatusServiceUnavailable)
		time.Sleep(2 * time.Hour)
		wantFault(t, b.Warm(), `"m"`)
	})
}

func TestWarmGoesWithTheKeyOfTheHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := new(keyed)
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Source = source })
		leaf := b.pki.leaf(t)
		source.then(func(_ context.Context, q ark.Query) ([]*x509.Certificate, error) {
			if q.Credential != "new key of "+q.Model {
				return nil, scripted(http.StatusUnauthorized)
			}
			return chain(leaf), nil
		})
		var rotated atomic.Bool
		b.KeepWarm(queries("m", "n"), func(_ context.Context, model string) (string, error) {
			if rotated.Load() {
				return "new key of " + model, nil
			}
			return "old key", nil
		})
		synctest.Wait()
		wantFault(t, b.Warm(), "scripted")
		rotated.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if err := b.Warm(); err != nil {
			t.Error(err)
		}
	})
}

func TestWarmEndsWithTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		b.KeepWarm(queries("m"), func(context.Context, string) (string, error) { return "", errors.New("no key file") })
		synctest.Wait()
		wantFault(t, b.Warm(), `model "m": its API key: no key file`)
		start := time.Now()
		b.Close()
		if time.Since(start) != 0 {
			t.Error("Close waited for the next round")
		}
		b.KeepWarm(queries("m"), nil) // nothing begins after that
		synctest.Wait()
		b.wantAsked(t, 0)
	})
}

func TestStateTellsWhatAnOperatorWantsToKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, func(c *certfetch.CacheConfig) { c.SourceName = "api-key" })
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		b.want(t, "a", leaf, 2)
		states := b.State()
		if len(states) != 2 || states[0].Model != "a" {
			t.Fatalf("states %+v", states)
		}
		s := states[1]
		if s.Source != "api-key" || s.Subject != "CN=test endpoint" || len(s.Issuers) != 2 || s.Issuers[1] != "CN=test root,O=sealcar test" ||
			s.Serial != leaf.SerialNumber.Text(16) || s.SPKI != certfetch.SPKI(leaf) || len(s.SPKI) != 44 ||
			!s.NotBefore.Equal(leaf.NotBefore) || !s.NotAfter.Equal(leaf.NotAfter) || !s.Ends.Equal(leaf.NotAfter) ||
			!s.Fetched.Equal(time.Now()) || !s.Renewal.Equal(time.Now().Add(54*time.Minute)) || s.Stale || s.LastError != "" || s.Revocation.Verdict != "" {
			t.Errorf("state %+v", s)
		}
	})
}
