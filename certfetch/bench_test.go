package certfetch_test

import (
	"crypto/x509"
	"testing"
	"time"

	"sealcar/certfetch"
	"sealcar/crypto/ark"
)

// BenchmarkCertificateAtHand is what each request pays.
func BenchmarkCertificateAtHand(b *testing.B) {
	p := newPKI(b, time.Now())
	source := new(keyed)
	source.give([]*x509.Certificate{p.leaf(b)}...)
	c, err := certfetch.NewCache(certfetch.CacheConfig{Source: source, Verifier: &certfetch.Verifier{Roots: p.roots(b)}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	q := ark.Query{Model: "ep-20240101000000-abcde", Credential: apiKey}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Certificate(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}
