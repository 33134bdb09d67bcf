package certfetch_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

func (b *rig) fetch(t *testing.T, leaf *x509.Certificate, asked int32) {
	t.Helper()
	c, err := b.Fetch(t.Context(), ark.Query{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Leaf.Equal(leaf) {
		t.Errorf("certificate %x, want %x", c.Leaf.SerialNumber, leaf.SerialNumber)
	}
	b.wantAsked(t, asked)
}

func TestFetchAsksOnceWhateverIsAtHandAndKeepsWhatCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := onDisk(t)
		first, second, third := b.pki.leaf(t), b.pki.leaf(t), b.pki.leaf(t)
		b.source.give(first)
		b.fetch(t, first, 1) // nothing is at hand
		b.want(t, "m", first, 1)
		time.Sleep(time.Second)
		b.source.give(second)
		b.fetch(t, second, 2) // in memory and on disk
		b.want(t, "m", second, 2)
		b.Cache = b.open(t)
		time.Sleep(time.Second)
		b.source.give(third)
		b.fetch(t, third, 3) // on disk
		b.Cache = b.open(t)
		b.want(t, "m", third, 3)
	})
}

func TestFetchThatFailsKeepsWhatThereIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf := b.pki.leaf(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		b.source.fail(http.StatusServiceUnavailable)
		for asked := int32(2); asked < 4; asked++ { // no back-off: somebody asks by hand
			_, err := b.Fetch(t.Context(), ark.Query{Model: "m"})
			wantStatus(t, err, http.StatusServiceUnavailable)
			b.want(t, "m", leaf, asked)
		}
		_, err := b.Fetch(t.Context(), ark.Query{})
		wantStatus(t, err, http.StatusBadRequest)
		b.Close()
		_, err = b.Fetch(t.Context(), ark.Query{Model: "m"})
		wantStatus(t, err, http.StatusServiceUnavailable)
		b.wantAsked(t, 3)
	})
}

func TestFetchIsSharedAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t)
		leaf := b.pki.leaf(t)
		b.source.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) {
			time.Sleep(5 * time.Second)
			return chain(leaf), nil
		})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := b.Fetch(t.Context(), ark.Query{Model: "m"}); err != nil {
					t.Error(err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Fetch(ctx, ark.Query{Model: "m"})
		wantFault(t, err, "deadline exceeded")
		all.Wait()
		b.want(t, "m", leaf, 1)
	})
}

// What is revoked is dropped with its file, but not the file of what has come
// in its place while the list was read.
func TestT16_DroppedCertificateLeavesItsSuccessorsFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l := revocable(t, false)
		old, next := b.listed(t), b.pki.leaf(t) // next names no list
		l.publish(t, b.pki.root)
		b.source.give(old)
		b.want(t, "m", old, 1)
		time.Sleep(18 * time.Hour) // the list is due
		l.publish(t, b.pki.root, old)
		l.answer(l.body, 2*time.Second)
		b.source.give(next)
		b.serves(t, "m", old) // and begins to read the list
		synctest.Wait()
		b.fetch(t, next, 2)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(b.faults) != 1 {
			t.Fatalf("reported %q, want the revocation", b.faults)
		}
		b.restart(t, l)
		b.serves(t, "m", next)
		b.wantAsked(t, 2)
	})
}

// Requests need the same lock, and a certificate's names take time to write.
func TestStateIsFormattedOutsideTheLock(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	look := func() {}
	b := newRig(t, func(c *certfetch.CacheConfig) {
		c.Now = func() time.Time {
			look()
			return time.Now().Add(ahead)
		}
	})
	leaf := b.pki.leaf(t)
	b.source.give(leaf)
	b.serves(t, "m", leaf)
	ahead = time.Hour
	b.source.fail(http.StatusServiceUnavailable)
	b.serves(t, "m", leaf)
	b.Close() // when the renewal has failed, so that State asks for the time
	looked := false
	look = func() {
		looked = true
		free := make(chan struct{})
		go func() {
			b.Counts()
			close(free)
		}()
		select {
		case <-free:
		case <-time.After(10 * time.Second):
			t.Error("the lock is held")
		}
	}
	if s := b.State(); len(s) != 1 || !s[0].Stale || !looked {
		t.Errorf("looked %t, state %+v", looked, s)
	}
}
