package certfetch_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
	"sealcar/test/certtest"
)

// The whole way once, over real TLS: many requests, one of them reaches the
// server, each gets the verified certificate.
func TestCacheOverARealEndpoint(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	leaf := p.leaf(t)
	var asked atomic.Int32
	source := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(200, certificateReply(t, certtest.PEM(leaf)))(w, r)
	})
	c, err := certfetch.NewCache(certfetch.CacheConfig{
		Source: source, Verifier: &certfetch.Verifier{Roots: p.roots(t), Now: at(now)}, Dir: t.TempDir() + "/certs", Now: at(now),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var g errgroup.Group
	for range 100 {
		g.Go(func() error {
			_, err := c.Certificate(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the endpoint was asked %d times, want once", n)
	}
}
