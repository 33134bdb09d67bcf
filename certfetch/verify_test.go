package certfetch_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"sealcar/certfetch"
	"sealcar/test/certtest"
)

var (
	now   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	hour  = time.Hour
	chain = func(c ...*x509.Certificate) []*x509.Certificate { return c }
)

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

func vendorLeaf(t *testing.T) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile("testdata/vendor-leaf.pem")
	if err != nil {
		t.Fatal(err)
	}
	certs, err := certfetch.ParseChain(text)
	if err != nil {
		t.Fatal(err)
	}
	return certs[0]
}

func TestT11_VendorLeafAgainstBuiltinRoots(t *testing.T) {
	t.Parallel()
	roots, err := certfetch.BuiltinRoots()
	if err != nil {
		t.Fatal(err)
	}
	leaf := vendorLeaf(t)
	v := certfetch.Verifier{Roots: roots, ClockSkew: 5 * time.Minute, Now: at(now)}
	c, err := v.Verify(chain(leaf), false)
	if err != nil {
		t.Fatalf("in force: %v", err)
	}
	if c.Leaf != leaf || c.PublicKey == nil || c.RingID != "" {
		t.Errorf("certificate = %+v", c)
	}
	v.Now = at(time.Date(2029, 2, 1, 0, 0, 0, 0, time.UTC))
	wantFault(t, verify(&v, false, leaf), "expired")
	v.Now = at(now)
	wantFault(t, verify(&v, true, leaf), "AICC") // it carries no names
}

func TestT11_ValidityAndClockSkew(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	oldRoot := newRoot(t, now, validity(now.Add(-9*hour), now.Add(-hour)))
	oldSub := p.root.authority(t, now, validity(now.Add(-9*hour), now.Add(-hour)))
	fresh := newRoot(t, now, validity(now.Add(2*time.Minute), now.Add(hour)))
	tests := []struct {
		name  string
		roots certfetch.Roots
		chain []*x509.Certificate
		skew  time.Duration
		fault string
	}{
		{"in force", p.roots(t), chain(p.leaf(t)), 0, ""},
		{"expired", p.roots(t), chain(p.leaf(t, validity(now.Add(-hour), now.Add(-time.Second)))), 0, "expired"},
		{"not yet valid", p.roots(t), chain(p.leaf(t, validity(now.Add(time.Second), now.Add(hour)))), 0, "not yet valid"},
		{"expired within the skew", p.roots(t), chain(p.leaf(t, validity(now.Add(-hour), now.Add(-time.Minute)))), 5 * time.Minute, ""},
		{"expired beyond the skew", p.roots(t), chain(p.leaf(t, validity(now.Add(-hour), now.Add(-6*time.Minute)))), 5 * time.Minute, "expired"},
		{"early within the skew", p.roots(t), chain(p.leaf(t, validity(now.Add(time.Minute), now.Add(hour)))), 5 * time.Minute, ""},
		{"early beyond the skew", p.roots(t), chain(p.leaf(t, validity(now.Add(6*time.Minute), now.Add(hour)))), 5 * time.Minute, "not yet valid"},
		{"whole PKI made by a fast clock", loadRoots(t, fresh.cert), chain(fresh.leaf(t, now, validity(now.Add(2*time.Minute), now.Add(hour)))), 5 * time.Minute, ""},
		{"expired root", loadRoots(t, oldRoot.cert), chain(oldRoot.leaf(t, now)), 5 * time.Minute, "expired"},
		{"expired sub CA", loadRoots(t, p.root.cert, oldSub.cert), chain(oldSub.leaf(t, now)), 5 * time.Minute, "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := certfetch.Verifier{Roots: tt.roots, ClockSkew: tt.skew, Now: at(now)}
			wantFault(t, verify(&v, false, tt.chain...), tt.fault)
		})
	}
}

func TestT12_OtherRootWithTheSameName(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t, now), newPKI(t, now)
	v := certfetch.Verifier{Roots: p.roots(t), Now: at(now)}
	for name, c := range map[string][]*x509.Certificate{
		"leaf alone":                    chain(other.leaf(t)),
		"with its sub CA":               chain(other.leaf(t), other.sub.cert),
		"with its sub CA and root":      chain(other.leaf(t), other.sub.cert, other.root.cert),
		"signed by its root":            chain(other.root.leaf(t, now), other.root.cert),
		"self-signed":                   chain(selfSigned(t, now)),
		"by a sub CA of the right name": chain(other.leaf(t), p.sub.cert, p.root.cert),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFault(t, verify(&v, false, c...), "unknown authority")
		})
	}
}

func TestT13_IssuerMustBeAnAuthority(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	bogus := &authority{key: certtest.Key(t)}
	bogus.cert = p.sub.leafFor(t, now, bogus.key.Public())
	below := p.sub.authority(t, now)
	noPath := p.root.authority(t, now, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	belowNoPath := noPath.authority(t, now)
	noSign := p.root.authority(t, now, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	v := certfetch.Verifier{Roots: p.roots(t), Now: at(now)}
	tests := []struct {
		name  string
		chain []*x509.Certificate
		fault string
	}{
		{"a deeper path is fine", chain(below.leaf(t, now), below.cert), ""},
		{"a leaf signed by a leaf", chain(bogus.leaf(t, now), bogus.cert), "unknown authority"},
		{"path length exceeded", chain(belowNoPath.leaf(t, now), belowNoPath.cert, noPath.cert), "too many intermediates"},
		{"an authority that may not sign certificates", chain(noSign.leaf(t, now), noSign.cert), "unknown authority"},
		{"the authority itself", chain(p.sub.cert), "certificate authority, not an endpoint"},
		{"the root itself", chain(p.root.cert), "certificate authority, not an endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantFault(t, verify(&v, false, tt.chain...), tt.fault)
		})
	}
}

func TestT14_KeyAndItsUsage(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	usage := func(u x509.KeyUsage) edit { return func(c *x509.Certificate) { c.KeyUsage = u } }
	extended := func(u ...x509.ExtKeyUsage) edit { return func(c *x509.Certificate) { c.ExtKeyUsage = u } }
	keyed := func(k crypto.PublicKey) *x509.Certificate { return p.sub.leafFor(t, now, k) }
	v := certfetch.Verifier{Roots: p.roots(t), Now: at(now)}
	tests := []struct {
		name  string
		leaf  *x509.Certificate
		fault string
	}{
		{"the vendor's kind", p.leaf(t), ""},
		{"key agreement alone", p.leaf(t, usage(x509.KeyUsageKeyAgreement)), ""},
		{"signature alone", p.leaf(t, usage(x509.KeyUsageDigitalSignature)), "keyAgreement"},
		{"key encipherment", p.leaf(t, usage(x509.KeyUsageKeyEncipherment)), "keyAgreement"},
		{"no key usage", p.leaf(t, usage(0)), "keyAgreement"},
		{"client authentication", p.leaf(t, extended(x509.ExtKeyUsageClientAuth)), "incompatible key usage"},
		{"code signing", p.leaf(t, extended(x509.ExtKeyUsageCodeSigning)), "incompatible key usage"},
		{"no extended key usage", p.leaf(t, extended()), "does not include serverAuth"},
		{"any extended key usage", p.leaf(t, extended(x509.ExtKeyUsageAny)), ""},
		{"server among others", p.leaf(t, extended(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)), ""},
		{"RSA", keyed(rsaKey.Public()), "P-256"},
		{"P-384", keyed(newKey(t, elliptic.P384()).Public()), "P-256"},
		{"P-521", keyed(newKey(t, elliptic.P521()).Public()), "P-256"},
		{"Ed25519", keyed(edKey), "P-256"},
		{"unknown critical extension", p.leaf(t, unknownCritical), "unhandled critical extension"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantFault(t, verify(&v, false, tt.leaf), tt.fault)
		})
	}
}

func TestT15_AICCNames(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	v := certfetch.Verifier{Roots: p.roots(t), Now: at(now)}
	tests := []struct {
		name  string
		names []string
		ok    bool
	}{
		{"ring, then key", []string{"ring.r1", "key.k1"}, true},
		{"none", nil, false},
		{"swapped", []string{"key.k1", "ring.r1"}, false},
		{"ring alone", []string{"ring.r1"}, false},
		{"key alone", []string{"key.k1"}, false},
		{"a third", []string{"ring.r1", "key.k1", "key.k2"}, false},
		{"twice ring", []string{"ring.r1", "ring.r2"}, false},
		{"empty id", []string{"ring.", "key.k1"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			leaf := p.leaf(t, func(c *x509.Certificate) { c.DNSNames = tt.names })
			c, err := v.Verify(chain(leaf), true)
			if !tt.ok {
				wantFault(t, err, "AICC")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.RingID != "r1" || c.KeyID != "k1" {
				t.Errorf("ring %q key %q", c.RingID, c.KeyID)
			}
		})
	}
}

func TestVerifyTrustsNothingWithoutRoots(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	wantFault(t, verify(&certfetch.Verifier{Now: at(now)}, false, p.leaf(t), p.sub.cert, p.root.cert), "no roots")
	wantFault(t, verify(&certfetch.Verifier{Roots: p.roots(t), Now: at(now)}, false), "empty")
}

func TestVerifyCompletesThePath(t *testing.T) {
	t.Parallel()
	p, next := newPKI(t, now), newPKI(t, now)
	rootsOnly := certfetch.Verifier{Roots: loadRoots(t, p.root.cert), Now: at(now)}
	wantFault(t, verify(&rootsOnly, false, p.leaf(t)), "unknown authority")
	wantFault(t, verify(&rootsOnly, false, p.leaf(t), p.sub.cert), "")
	wantFault(t, verify(&rootsOnly, false, p.leaf(t), next.sub.cert, p.root.cert, p.sub.cert), "")

	rollover := certfetch.Verifier{Roots: loadRoots(t, p.sub.cert, p.root.cert, next.root.cert, next.sub.cert), Now: at(now)}
	wantFault(t, verify(&rollover, false, p.leaf(t)), "")
	wantFault(t, verify(&rollover, false, next.leaf(t)), "")
}

func verify(v *certfetch.Verifier, aicc bool, c ...*x509.Certificate) error {
	_, err := v.Verify(c, aicc)
	return err
}

// wantFault wants an error that says fault, or none if fault is "".
func wantFault(t *testing.T, err error, fault string) {
	t.Helper()
	switch {
	case fault == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case fault != "" && err == nil:
		t.Errorf("no error, want one with %q", fault)
	case fault != "" && !strings.Contains(err.Error(), fault):
		t.Errorf("error %q, want one with %q", err, fault)
	}
}
