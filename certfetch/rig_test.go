package certfetch_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/apierror"
	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

// script is a Source that does as it is told and counts how often it was asked.
type script struct {
	asked atomic.Int32
	mu    sync.Mutex
	do    func(ctx context.Context, q ark.Query) ([]*x509.Certificate, error)
}

func (s *script) Fetch(ctx context.Context, q ark.Query) ([]*x509.Certificate, error) {
	s.asked.Add(1)
	s.mu.Lock()
	do := s.do
	s.mu.Unlock()
	return do(ctx, q)
}

func (s *script) give(certs ...*x509.Certificate) {
	s.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) { return certs, nil })
}

func (s *script) fail(status int) {
	s.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) { return nil, scripted(status) })
}

func (s *script) hang() {
	s.then(func(ctx context.Context, _ ark.Query) ([]*x509.Certificate, error) {
		<-ctx.Done()
		return nil, scripted(http.StatusServiceUnavailable)
	})
}

func (s *script) then(do func(context.Context, ark.Query) ([]*x509.Certificate, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do = do
}

func scripted(status int) error { return &apierror.Error{Status: status, Code: "scripted"} }

// keyed is a script that wants the request's own credential.
type keyed struct{ script }

func (k *keyed) CheckCredential(q ark.Query) error {
	if q.Credential == "" {
		return scripted(http.StatusUnauthorized)
	}
	return nil
}

// rig is a cache with all around it.
type rig struct {
	*certfetch.Cache
	source *script
	pki    *pki
	config certfetch.CacheConfig
	faults []error // what was reported; read it when nothing runs

	reporting sync.Mutex
}

func newRig(t *testing.T, edits ...func(*certfetch.CacheConfig)) *rig {
	t.Helper()
	b := &rig{source: new(script), pki: newPKI(t, time.Now())}
	b.config = certfetch.CacheConfig{
		Source:   b.source,
		Verifier: &certfetch.Verifier{Roots: b.pki.roots(t)},
		Scope:    "ark.example",
		MaxAge:   time.Hour,
		Timeout:  10 * time.Second,
		Report: func(err error) {
			b.reporting.Lock()
			defer b.reporting.Unlock()
			b.faults = append(b.faults, err)
		},
	}
	for _, e := range edits {
		e(&b.config)
	}
	b.Cache = b.open(t)
	return b
}

// open makes another cache of the same kind, as a restart would.
func (b *rig) open(t *testing.T) *certfetch.Cache {
	t.Helper()
	c, err := certfetch.NewCache(b.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(c *certfetch.Cache, model string) (*ark.Certificate, error) {
	return c.Certificate(context.Background(), ark.Query{Model: model})
}

// renews wants old for model at once and then, when the background has done what
// it could, next.
func (b *rig) renews(t *testing.T, model string, old, next *x509.Certificate, asked int32) {
	t.Helper()
	b.serves(t, model, old)
	synctest.Wait()
	b.serves(t, model, next)
	synctest.Wait()
	b.wantAsked(t, asked)
}

// want wants leaf for model, and the source to have been asked so many times;
// nothing may be due, for then the background could ask meanwhile.
func (b *rig) want(t *testing.T, model string, leaf *x509.Certificate, asked int32) {
	t.Helper()
	b.serves(t, model, leaf)
	b.wantAsked(t, asked)
}

// serves wants leaf for model.
func (b *rig) serves(t *testing.T, model string, leaf *x509.Certificate) {
	t.Helper()
	c, err := get(b.Cache, model)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Leaf.Equal(leaf) {
		t.Errorf("certificate %x, want %x", c.Leaf.SerialNumber, leaf.SerialNumber)
	}
}

func (b *rig) wantAsked(t *testing.T, asked int32) {
	t.Helper()
	if n := b.source.asked.Load(); n != asked {
		t.Errorf("the source was asked %d times, want %d", n, asked)
	}
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Status != status {
		t.Errorf("error %v, want status %d", err, status)
	}
}
