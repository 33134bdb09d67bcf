package certfetch_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

func TestCacheManyWaitersOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf, release := b.pki.leaf(t), make(chan struct{})
		b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) {
			<-release
			return chain(leaf), nil
		})
		const waiters = 100
		results := make(chan error, waiters)
		for range waiters {
			go func() {
				_, err := get(b.Cache, "m")
				results <- err
			}()
		}
		synctest.Wait() // all of them wait for the source now
		close(release)
		for range waiters {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		b.wantAsked(t, 1)
	})
}

func TestCacheWaiterThatLeavesDoesNotEndTheFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf, release := b.pki.leaf(t), make(chan struct{})
		b.source.then(func(ctx context.Context, _ ark.Query) ([]*x509.Certificate, error) {
			select {
			case <-release:
				return chain(leaf), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		ctx, leave := context.WithCancel(t.Context())
		first, second := make(chan error), make(chan error)
		go func() {
			_, err := b.Certificate(ctx, ark.Query{Model: "m"})
			first <- err
		}()
		synctest.Wait()
		go func() {
			_, err := get(b.Cache, "m")
			second <- err
		}()
		synctest.Wait()
		leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		close(release)
		if err := <-second; err != nil {
			t.Errorf("who stayed got %v", err)
		}
		b.wantAsked(t, 1)
	})
}

func TestCacheFetchEndsAfterItsOwnTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		b.source.hang()
		start := time.Now()
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
		if waited := time.Since(start); waited != b.config.Timeout {
			t.Errorf("waited %v, want %v", waited, b.config.Timeout)
		}
	})
}

func TestCacheCredentialsDecideOnlyForThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := new(keyed)
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Source = source })
		leaf, release := b.pki.leaf(t), make(chan struct{})
		source.then(func(_ context.Context, q ark.Query) ([]*x509.Certificate, error) {
			<-release
			if q.Credential == "bad" {
				return nil, scripted(http.StatusUnauthorized)
			}
			return chain(leaf), nil
		})
		results := map[string]chan error{"bad": make(chan error, 2), "good": make(chan error, 2)}
		for credential, result := range results {
			for range 2 {
				go func() {
					_, err := b.Certificate(context.Background(), ark.Query{Model: "m", Credential: credential})
					result <- err
				}()
			}
		}
		synctest.Wait()
		close(release)
		for range 2 {
			if err := <-results["good"]; err != nil {
				t.Errorf("good credential: %v", err)
			}
			wantStatus(t, <-results["bad"], http.StatusUnauthorized)
		}
		if n := source.asked.Load(); n != 2 {
			t.Errorf("asked %d times, want once per credential", n)
		}
		// A request without any is refused although the certificate is there.
		_, err := b.Certificate(t.Context(), ark.Query{Model: "m"})
		wantStatus(t, err, http.StatusUnauthorized)
	})
}

func TestCacheBadCredentialDoesNotPutOffRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := new(keyed)
		b := newRig(t, func(c *certfetch.CacheConfig) { c.Source = source })
		old, renewed := b.pki.leaf(t), b.pki.leaf(t)
		source.give(old)
		ask := func(credential string) *x509.Certificate {
			t.Helper()
			c, err := b.Certificate(t.Context(), ark.Query{Model: "m", Credential: credential})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return c.Leaf
		}
		ask("good")
		time.Sleep(time.Hour)
		source.fail(http.StatusUnauthorized)
		if !ask("bad").Equal(old) {
			t.Error("a bad credential did not get the certificate that is in force")
		}
		if s := b.State()[0]; s.Stale || s.LastError != "" {
			t.Errorf("one caller's bad credential is shown as the certificate's fault: %+v", s)
		}
		source.give(renewed)
		if ask("good"); !ask("good").Equal(renewed) {
			t.Error("a bad credential put off the renewal for a good one")
		}
	})
}

func TestCacheCloseEndsRenewals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		time.Sleep(time.Hour)
		b.source.hang()
		b.serves(t, "m", leaf)
		synctest.Wait()
		start := time.Now()
		b.Close()
		if time.Since(start) != 0 {
			t.Error("Close waited for the time limit")
		}
		b.want(t, "m", leaf, 2) // what is at hand may still be used, and nothing more is asked
		synctest.Wait()
		b.wantAsked(t, 2)
	})
}

func TestCacheBoundsTheRenewalsThatRunAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		for i := range 20 {
			b.want(t, fmt.Sprint(i), leaf, int32(i+1))
		}
		time.Sleep(time.Hour)
		b.source.hang()
		for range 3 {
			for i := range 20 {
				b.serves(t, fmt.Sprint(i), leaf)
			}
			synctest.Wait()
			b.wantAsked(t, 20+16)
		}
		b.Close()
	})
}

func TestCacheCloseEndsFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		b.source.hang()
		result := make(chan error)
		go func() {
			_, err := get(b.Cache, "m")
			result <- err
		}()
		synctest.Wait()
		start := time.Now()
		b.Close()
		wantStatus(t, <-result, http.StatusServiceUnavailable)
		if time.Since(start) != 0 {
			t.Error("Close waited for the time limit")
		}
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
		b.wantAsked(t, 1)
	})
}
