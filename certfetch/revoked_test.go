package certfetch_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/certfetch"
	"sealcar/certfetch/revocation"
)

const listAddress = "http://crl.example/1"

// lists is where CRLs come from. A synctest bubble has no network; real servers
// are met in the tests of package revocation.
type lists struct {
	mu    sync.Mutex
	asked int
	delay time.Duration
	body  []byte // nil = nobody answers
}

func (l *lists) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.asked++
	body, delay := l.body, l.delay
	l.mu.Unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if body == nil {
		return nil, errors.New("nobody there")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// publish makes a's list and puts it there, for a day from now.
func (l *lists) publish(t *testing.T, a *authority, revoked ...*x509.Certificate) {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now(), ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	l.answer(der, 0)
}

func (l *lists) answer(body []byte, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.body, l.delay = body, delay
}

func (l *lists) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// revocable is a rig whose certificates name a CRL. Their path is leaf, root.
func revocable(t *testing.T, hard bool) (*rig, *lists) {
	t.Helper()
	l := new(lists)
	checker, err := revocation.New(revocation.Config{Client: &http.Client{Transport: l}})
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, func(c *certfetch.CacheConfig) {
		c.Revocation = certfetch.RevocationPolicy{Checker: checker, Hard: hard}
		c.Dir = filepath.Join(t.TempDir(), "c")
		c.MaxAge = 1000 * time.Hour
	}), l
}

func (b *rig) listed(t *testing.T) *x509.Certificate {
	t.Helper()
	return b.pki.root.leaf(t, time.Now(), func(c *x509.Certificate) { c.CRLDistributionPoints = []string{listAddress} })
}

func TestT16_RevokedIsRefusedFromTheFirstRequestOn(t *testing.T) {
	t.Parallel()
	for _, hard := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, l := revocable(t, hard)
			leaf := b.listed(t)
			l.publish(t, b.pki.root, leaf)
			b.source.give(leaf)
			for range 3 {
				_, err := get(b.Cache, "m")
				wantRefusal(t, err, refusal{status: 503, code: "certificate_revoked", says: "keyCompromise", noRetry: true})
			}
			b.wantAsked(t, 1)
			if files, _ := filepath.Glob(filepath.Join(b.config.Dir, "*")); len(files) > 0 || len(b.State()) > 0 {
				t.Errorf("kept: %q, %+v", files, b.State())
			}
		})
	}
}

func TestT16_RevokedWhileInUseIsDroppedFromMemoryAndDisk(t *testing.T) {
	t.Parallel()
	for _, hard := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, l := revocable(t, hard)
			leaf, next := b.listed(t), b.listed(t)
			l.publish(t, b.pki.root)
			b.source.give(leaf)
			b.want(t, "m", leaf, 1)
			if s := b.State()[0].Revocation; s.Verdict != revocation.Good || s.NextUpdate.IsZero() {
				t.Errorf("state %+v", s)
			}
			time.Sleep(17 * time.Hour)
			b.want(t, "m", leaf, 1)
			synctest.Wait()
			if n := l.count(); n != 1 {
				t.Errorf("asked %d times before it was due", n)
			}
			l.publish(t, b.pki.root, leaf)
			time.Sleep(time.Hour) // three quarters of the list's day
			b.want(t, "m", leaf, 1)
			synctest.Wait()
			if files, _ := filepath.Glob(filepath.Join(b.config.Dir, "*")); len(files) > 0 {
				t.Errorf("kept on disk: %q", files)
			}
			_, err := get(b.Cache, "m")
			wantRefusal(t, err, refusal{status: 503, code: "certificate_revoked", says: "whoever runs the endpoint", noRetry: true})
			if len(b.faults) == 0 {
				t.Error("nothing was reported")
			}
			b.source.give(next) // the endpoint gets a new certificate
			time.Sleep(time.Minute)
			b.serves(t, "m", next)
		})
	}
}

func TestT16_RevokedIsDroppedThoughItCannotBeRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l := revocable(t, false)
		leaf := b.pki.root.leaf(t, time.Now(), validity(time.Now(), time.Now().Add(20*time.Hour)),
			func(c *x509.Certificate) { c.CRLDistributionPoints = []string{listAddress} })
		l.publish(t, b.pki.root)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		time.Sleep(19*time.Hour + time.Minute) // renewal and list are due, both
		l.publish(t, b.pki.root, leaf)
		b.source.fail(http.StatusServiceUnavailable)
		b.serves(t, "m", leaf)
		synctest.Wait()
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
	})
}

// restart forgets all but what is on disk.
func (b *rig) restart(t *testing.T, l *lists) {
	t.Helper()
	fresh, err := revocation.New(revocation.Config{Client: &http.Client{Transport: l}})
	if err != nil {
		t.Fatal(err)
	}
	b.config.Revocation.Checker = fresh
	b.Cache = b.open(t)
}

func TestT16_RevokedDuringARestart(t *testing.T) {
	t.Parallel()
	for _, hard := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, l := revocable(t, hard)
			leaf := b.listed(t)
			l.publish(t, b.pki.root)
			b.source.give(leaf)
			b.want(t, "m", leaf, 1)
			b.source.fail(http.StatusServiceUnavailable)
			l.publish(t, b.pki.root, leaf)
			b.restart(t, l)
			if !hard { // it was good; nobody waits to hear that again
				b.want(t, "m", leaf, 1)
				synctest.Wait()
			}
			_, err := get(b.Cache, "m")
			wantStatus(t, err, http.StatusServiceUnavailable)
			wantFault(t, b.faults[0], "certificate_revoked")
			if files, _ := filepath.Glob(filepath.Join(b.config.Dir, "*")); len(files) > 0 {
				t.Errorf("kept on disk: %q", files)
			}
		})
	}
}

func TestT16_SoftCostsNoTimeAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l := revocable(t, false)
		leaf := b.listed(t)
		b.source.give(leaf)
		b.want(t, "m", leaf, 1)
		l.answer(nil, time.Hour)
		b.restart(t, l)
		for range 10 {
			start := time.Now()
			if b.want(t, "m", leaf, 1); time.Since(start) != 0 {
				t.Errorf("a request waited %v", time.Since(start))
			}
			time.Sleep(time.Second)
		}
		if s := b.State()[0].Revocation; s.Verdict != revocation.Unknown || s.Reason == "" || l.count() != 2 {
			t.Errorf("asked %d times, state %+v", l.count(), s)
		}
	})
}

func TestT16_SoftPassesWhatCannotBeLearntAndWaitsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l := revocable(t, false)
		l.answer(nil, time.Hour) // as behind a firewall that drops
		leaf := b.listed(t)
		b.source.give(leaf)
		start := time.Now()
		b.want(t, "m", leaf, 1)
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("the first request waited %v, want the time limit", waited)
		}
		if s := b.State()[0].Revocation; s.Verdict != revocation.Unknown || s.Reason == "" || s.Due.IsZero() {
			t.Errorf("state %+v", s)
		}
		start = time.Now()
		b.source.give(b.listed(t))
		if _, err := get(b.Cache, "another"); err != nil || time.Since(start) != 0 {
			t.Errorf("%v; another certificate waited %v for the same host", err, time.Since(start))
		}
		for range 600 {
			start = time.Now()
			if _, err := get(b.Cache, "m"); err != nil || time.Since(start) != 0 {
				t.Fatalf("%v; a request waited %v", err, time.Since(start))
			}
			time.Sleep(time.Second)
		}
		if n := l.count(); n < 3 || n > 10 {
			t.Errorf("asked %d times in 10 minutes", n)
		}
		l.publish(t, b.pki.root, leaf) // it is reachable, and the worst is true
		time.Sleep(10 * time.Minute)
		b.want(t, "m", leaf, 2)
		synctest.Wait()
		b.source.fail(http.StatusServiceUnavailable)
		_, err := get(b.Cache, "m")
		wantStatus(t, err, http.StatusServiceUnavailable)
	})
}

func TestT16_HardRefusesWhatCannotBeLearnt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l := revocable(t, true)
		leaf := b.listed(t)
		b.source.give(leaf)
		refused := refusal{status: 503, code: "certificate_untrusted", says: "could not learn whether", noRetry: true}
		_, err := get(b.Cache, "m")
		wantRefusal(t, err, refused)
		wantFault(t, err, "nobody there")

		l.publish(t, b.pki.root)
		time.Sleep(10 * time.Second)
		b.want(t, "m", leaf, 2)
		l.answer(nil, 0)
		for range 23 { // known until nextUpdate, though nobody answers any more
			time.Sleep(time.Hour)
			b.want(t, "m", leaf, 2)
		}
		time.Sleep(2 * time.Hour)
		_, err = get(b.Cache, "m")
		wantRefusal(t, err, refused)

		l.publish(t, b.pki.root)
		time.Sleep(5 * time.Minute)
		if _, err := get(b.Cache, "m"); err != nil {
			t.Error(err)
		}
	})
}

func TestT16_HardRefusesCertificatesThatNameNoAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := revocable(t, true)
		b.source.give(b.pki.leaf(t))
		_, err := get(b.Cache, "m")
		wantRefusal(t, err, refusal{status: 503, code: "certificate_untrusted", says: "names no CRL", noRetry: true})
	})
}

// An address in a certificate is somebody's wish until the path verifies.
func TestT20_NoAddressIsAskedBeforeThePathVerifies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, l := revocable(t, false)
		address := func(c *x509.Certificate) {
			c.CRLDistributionPoints, c.OCSPServer = []string{listAddress}, []string{listAddress}
		}
		stranger := newPKI(t, time.Now())
		for _, leaf := range []*x509.Certificate{
			stranger.leaf(t, address), selfSigned(t, time.Now()),
			b.pki.leaf(t, address, validity(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))),
			b.pki.leaf(t, address, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }),
		} {
			b.source.give(leaf, stranger.sub.cert)
			_, err := get(b.Cache, "m")
			wantRefusal(t, err, refusal{status: 503, code: "certificate_untrusted", noRetry: true})
			time.Sleep(time.Minute)
		}
		if n := l.count(); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}
