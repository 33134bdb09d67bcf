package certfetch_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

// renew asks whether the certificate is another than stale, and wants next and
// the source to have been asked so many times.
func (b *rig) renew(t *testing.T, stale *ark.Certificate, next *x509.Certificate, asked int32) *ark.Certificate {
	t.Helper()
	c, changed, err := b.Renew(t.Context(), ark.Query{Model: "m", Credential: "key"}, stale)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Leaf.Equal(next) || changed == next.Equal(stale.Leaf) || !changed && c != stale {
		t.Errorf("certificate %x, changed %t; want %x", c.Leaf.SerialNumber, changed, next.SerialNumber)
	}
	b.wantAsked(t, asked)
	return c
}

func (b *rig) first(t *testing.T, leaf *x509.Certificate) *ark.Certificate {
	t.Helper()
	b.source.give(leaf)
	c, err := b.Certificate(t.Context(), ark.Query{Model: "m", Credential: "key"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestT19_RotationIsNoticedAndReplacesMemoryAndDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		first, second := b.pki.leaf(t), b.pki.leaf(t)
		stale := b.first(t, first)
		b.source.give(second)
		b.renew(t, stale, second, 2)
		b.renew(t, stale, second, 2) // it is at hand now: no fetch
		b.want(t, "m", second, 2)
		b.source.fail(http.StatusServiceUnavailable)
		b.Cache = b.open(t)
		b.want(t, "m", second, 2)
	})
}

func TestRenewAsksOnceForAllWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		second, release := b.pki.leaf(t), make(chan struct{})
		stale := b.first(t, b.pki.leaf(t))
		b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) {
			<-release
			return chain(second), nil
		})
		changes := make(chan bool)
		for range 100 {
			go func() {
				c, changed, err := b.Renew(context.Background(), ark.Query{Model: "m"}, stale)
				changes <- err == nil && changed && c.Leaf.Equal(second)
			}()
		}
		synctest.Wait()
		close(release)
		for range 100 {
			if !<-changes {
				t.Error("a waiter did not get the new certificate")
			}
		}
		b.wantAsked(t, 2)
	})
}

// A client whose own requests are wrong gets 400s all day. That must neither
// drive fetches nor, for long, hide a real rotation.
func TestRenewCoolsDownOnlyAfterNothingNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		first, second, third := b.pki.leaf(t), b.pki.leaf(t), b.pki.leaf(t)
		stale := b.first(t, first)
		asked := int32(1)
		for _, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			asked++
			b.renew(t, stale, first, asked)
			for range 100 {
				b.renew(t, stale, first, asked)
			}
			time.Sleep(wait*time.Second - time.Nanosecond)
			b.renew(t, stale, first, asked)
			time.Sleep(time.Nanosecond)
		}
		b.source.give(second)
		stale = b.renew(t, stale, second, asked+1)
		b.source.give(third) // no cool-down now: the fetch brought something new
		stale = b.renew(t, stale, third, asked+2)
		b.renew(t, stale, third, asked+3) // and it begins at 1 s again
		time.Sleep(time.Second)
		b.renew(t, stale, third, asked+4)
	})
}

func TestRenewCoolsDownByCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := new(keyed)
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Source = source })
		source.give(b.pki.leaf(t))
		stale, err := b.Certificate(t.Context(), ark.Query{Model: "m", Credential: "wrong client"})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(credential string) bool {
			_, changed, err := b.Renew(t.Context(), ark.Query{Model: "m", Credential: credential}, stale)
			if err != nil {
				t.Fatal(err)
			}
			return changed
		}
		for range 3 {
			ask("wrong client")
		}
		source.give(b.pki.leaf(t))
		if ask("wrong client") || !ask("another client") || !ask("wrong client") {
			t.Error("want a cool-down for one, the news for the other, and then for both")
		}
		if n := source.asked.Load(); n != 3 {
			t.Errorf("asked %d times, want 3", n)
		}
		if _, _, err := b.Renew(t.Context(), ark.Query{Model: "m"}, stale); err == nil {
			t.Error("a request without a credential was answered")
		}
	})
}

// An application's own faults must not hide that the endpoint has another key.
func TestRenewCoolsDownBySymptom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		stale := b.first(t, b.pki.leaf(t))
		ask := func(symptom string) bool {
			_, changed, err := b.Renew(t.Context(), ark.Query{Model: "m", Symptom: symptom}, stale)
			if err != nil {
				t.Fatal(err)
			}
			return changed
		}
		for range 3 {
			ask("400 InvalidParameter")
		}
		b.source.give(b.pki.leaf(t))
		if ask("400 InvalidParameter") || !ask("400 cannot_open") {
			t.Error("want a cool-down for the old symptom and a question for the new one")
		}
	})
}

func TestRenewThatFailsKeepsWhatThereIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		stale := b.first(t, b.pki.leaf(t))
		for _, spoil := range []func(){
			func() { b.source.fail(http.StatusServiceUnavailable) },
			func() { b.source.give(newPKI(t, time.Now()).leaf(t)) },
		} {
			spoil()
			asked := b.source.asked.Load()
			c, changed, err := b.Renew(t.Context(), ark.Query{Model: "m"}, stale)
			if err == nil || changed || c != stale {
				t.Errorf("%v, %t, %v", c, changed, err)
			}
			for range 10 { // and is not asked at once again
				if _, changed, _ := b.Renew(t.Context(), ark.Query{Model: "m"}, stale); changed {
					t.Error("changed")
				}
			}
			b.want(t, "m", stale.Leaf, asked+1)
			time.Sleep(time.Minute)
		}
	})
}

func TestRenewDoesNotAskASourceThatHasJustFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		stale := b.first(t, b.pki.leaf(t))
		time.Sleep(time.Hour)
		b.source.fail(http.StatusServiceUnavailable)
		b.renews(t, "m", stale.Leaf, stale.Leaf, 2) // in the background
		_, changed, err := b.Renew(t.Context(), ark.Query{Model: "m"}, stale)
		wantStatus(t, err, http.StatusServiceUnavailable)
		if changed {
			t.Error("changed")
		}
		b.wantAsked(t, 2)
	})
}

func TestRenewEndsWithItsContextAndTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		stale := b.first(t, b.pki.leaf(t))
		b.source.hang()
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, changed, err := b.Renew(ctx, ark.Query{Model: "m"}, stale); err == nil || changed {
			t.Error("no error from a context that ended")
		}
		b.Close()
		if _, changed, err := b.Renew(t.Context(), ark.Query{Model: "m"}, stale); err == nil && changed {
			t.Error("changed after Close")
		}
	})
}

func TestRenewWithNothingAtHandFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Dir = filepath.Join(t.TempDir(), "c") })
		stale := b.first(t, b.pki.leaf(t))
		second := b.pki.leaf(t)
		b.source.give(second)
		b.Cache = b.open(t) // memory is empty; what is on disk may be as stale
		b.renew(t, stale, second, 2)
	})
}
