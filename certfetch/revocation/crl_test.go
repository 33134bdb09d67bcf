package revocation_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sealcar/certfetch/revocation"
)

func TestT16_CRL(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := newRoot(t)
	ca := root.sub(t)
	impostor := root.sub(t) // the same name, another key
	noCRL := root.sub(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	foreign := newRoot(t)
	times := func(this, next time.Time) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = this, next }
	}
	critical := func(id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: id, Critical: true, Value: []byte{2, 1, 1}})
		}
	}
	entry := func(id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{
				SerialNumber: foreign.cert.SerialNumber, RevocationTime: now,
				ExtraExtensions: []pkix.Extension{{Id: id, Critical: true, Value: []byte{5, 0}}},
			}}
		}
	}
	tests := []struct {
		name    string
		by      *authority
		revokes bool
		edits   []func(*x509.RevocationList)
		point   string // the distribution point that it names; PATH is the right one
		spoil   func([]byte) []byte
		want    revocation.Verdict
		says    string
	}{
		{name: "good", by: ca, want: revocation.Good},
		{name: "revoked", by: ca, revokes: true, want: revocation.Revoked, says: "is revoked since 2026-11-21T10:00:00Z (keyCompromise), says CRL"},
		{name: "stale", by: ca, edits: []func(*x509.RevocationList){times(now.Add(-2*day), now.Add(-time.Hour))}, want: revocation.Unknown, says: "stale"},
		{name: "stale, and revokes", by: ca, revokes: true, edits: []func(*x509.RevocationList){times(now.Add(-2*day), now.Add(-time.Hour))}, want: revocation.Unknown, says: "stale"},
		{name: "from the future", by: ca, edits: []func(*x509.RevocationList){times(now.Add(time.Hour), now.Add(day))}, want: revocation.Unknown, says: "future"},
		{name: "of another issuer", by: foreign, want: revocation.Unknown, says: "another issuer's CRL"},
		{name: "by another key of the same name", by: impostor, want: revocation.Unknown, says: "its signature"},
		{name: "by an issuer that may not sign CRLs", by: noCRL, want: revocation.Unknown, says: "its signature"},
		{name: "a bit of the signature flipped", by: ca, spoil: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, want: revocation.Unknown, says: "its signature"},
		{name: "cut short", by: ca, spoil: func(b []byte) []byte { return b[:len(b)/2] }, want: revocation.Unknown, says: "it is no CRL"},
		{name: "empty", by: ca, spoil: func([]byte) []byte { return nil }, want: revocation.Unknown, says: "it is no CRL"},
		{name: "HTML", by: ca, spoil: func([]byte) []byte { return []byte("<!doctype html>") }, want: revocation.Unknown, says: "it is no CRL"},
		{name: "delta", by: ca, edits: []func(*x509.RevocationList){critical(2, 5, 29, 27)}, want: revocation.Unknown, says: "delta"},
		{name: "unknown critical extension", by: ca, edits: []func(*x509.RevocationList){critical(1, 2, 3)}, want: revocation.Unknown, says: "1.2.3"},
		{name: "entry with an unknown critical extension", by: ca, edits: []func(*x509.RevocationList){entry(2, 5, 29, 29)}, want: revocation.Unknown, says: "2.5.29.29"},
		{name: "this distribution point", by: ca, point: "PATH", want: revocation.Good},
		{name: "another distribution point", by: ca, point: "/elsewhere", want: revocation.Unknown, says: "another distribution point"},
		{name: "user certificates only", by: ca, edits: []func(*x509.RevocationList){distributionPoint(flag(1))}, want: revocation.Good},
		{name: "CA certificates only", by: ca, edits: []func(*x509.RevocationList){distributionPoint(flag(2))}, want: revocation.Unknown, says: "other kinds"},
		{name: "attribute certificates only", by: ca, edits: []func(*x509.RevocationList){distributionPoint(flag(5))}, want: revocation.Unknown, says: "other kinds"},
		{name: "some reasons only", by: ca, edits: []func(*x509.RevocationList){distributionPoint(flag(3))}, want: revocation.Unknown, says: "some reasons"},
		{name: "indirect", by: ca, edits: []func(*x509.RevocationList){distributionPoint(flag(4))}, want: revocation.Unknown, says: "indirect"},
		{name: "scope that cannot be read", by: ca, edits: []func(*x509.RevocationList){distributionPoint(flag(9))}, want: revocation.Unknown, says: "cannot be read"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := fmt.Sprint("/", i)
			var revoked []*x509.Certificate
			leaf := ca.leaf(t, crlAt(h.URL+path))
			if tt.by == noCRL {
				leaf = noCRL.leaf(t, crlAt(h.URL+path))
			}
			if tt.revokes {
				revoked = append(revoked, leaf)
			}
			signer := tt.by
			if signer == noCRL { // crypto/x509 would not sign for it
				signer = &authority{ca.cert, noCRL.key}
			}
			if tt.point != "" {
				tt.edits = append(tt.edits, distributionPoint(fullName(h.URL+strings.ReplaceAll(tt.point, "PATH", path))))
			}
			body := signer.crl(t, revoked, tt.edits...)
			if tt.spoil != nil {
				body = tt.spoil(body)
			}
			h.give(path, body)
			c, _ := newChecker(t)
			issuer := ca.cert
			if tt.by == noCRL {
				issuer = noCRL.cert
			}
			want(t, check(c, leaf, issuer), tt.want, tt.says)
		})
	}
}

func TestT16_CRLOfUserCertificatesSaysNothingAboutASubCA(t *testing.T) {
	t.Parallel()
	h, root := newHost(t), newRoot(t)
	ca := root.sub(t, crlAt(h.URL+"/crl"))
	for tag, verdict := range map[int]revocation.Verdict{1: revocation.Unknown, 2: revocation.Good} {
		h.give("/crl", root.crl(t, nil, distributionPoint(flag(tag))))
		c, _ := newChecker(t)
		if s := check(c, ca.cert, root.cert); s.Verdict != verdict {
			t.Errorf("flag %d: %+v, want %s", tag, s, verdict)
		}
	}
}

func TestT16_CRLWithoutNextUpdate(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf := ca.leaf(t, crlAt(h.URL+"/crl"))
	h.give("/crl", withoutNextUpdate(t, ca))
	c, _ := newChecker(t)
	want(t, check(c, leaf, ca.cert), revocation.Unknown, "no nextUpdate")
}

// withoutNextUpdate makes what crypto/x509 would not: RFC 5280 wants the field.
func withoutNextUpdate(t *testing.T, ca *authority) []byte {
	t.Helper()
	type list struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    asn1.RawValue
		This      time.Time
	}
	ecdsaSHA256 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	tbs, err := asn1.Marshal(list{1, ecdsaSHA256, asn1.RawValue{FullBytes: ca.cert.RawSubject}, now.Add(-time.Hour).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := ca.key.Sign(rand.Reader, sum(tbs), sha256Opts)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, ecdsaSHA256, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestT16_CRLAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	h, ca, elsewhere := newHost(t), newRoot(t), newHost(t)
	elsewhere.give("/crl", ca.crl(t, nil))
	zeros := make([]byte, 1<<20)
	written := make(chan int, 1)
	tests := []struct {
		name, says string
		serve      http.HandlerFunc
	}{
		{"404", "it answered 404", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
		{"500", "it answered 500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"redirect", "it answered 302", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/crl", http.StatusFound)
		}},
		{"100 MB", "over 4194304 bytes", func(w http.ResponseWriter, _ *http.Request) {
			megabytes := 0
			for range 100 {
				if _, err := w.Write(zeros); err != nil {
					break
				}
				megabytes++
			}
			written <- megabytes
		}},
		{"broken off", "could not be reached", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(zeros[:10])
			panic(http.ErrAbortHandler)
		}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := fmt.Sprint("/", i)
			h.serve(path, tt.serve)
			c, _ := newChecker(t)
			want(t, check(c, ca.leaf(t, crlAt(h.URL+path)), ca.cert), revocation.Unknown, tt.says)
		})
	}
	if n := <-written; n >= 100 {
		t.Error("all of the 100 MB were read")
	}
	if elsewhere.asked.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

func TestT16_DripAndSilenceEndWithTheTimeout(t *testing.T) {
	t.Parallel()
	ca := newRoot(t)
	for name, serve := range map[string]http.HandlerFunc{
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"drip": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "0")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.serve("/crl", serve)
			c, _ := newChecker(t, func(c *revocation.Config) { c.Timeout = 100 * time.Millisecond })
			for range 3 { // the host is remembered: others that name it do not wait
				want(t, check(c, ca.leaf(t, crlAt(h.URL+"/crl")), ca.cert), revocation.Unknown, "no answer in time")
				want(t, check(c, ca.leaf(t, crlAt(h.URL+"/other")), ca.cert), revocation.Unknown, "no answer in time")
			}
			if n := h.asked.Load(); n > 1 {
				t.Errorf("asked %d times, want once", n)
			}
		})
	}
}

func TestOneGoodListAmongSeveralAddressesSuffices(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	h.give("/good", ca.crl(t, nil))
	c, _ := newChecker(t)
	want(t, check(c, ca.leaf(t, crlAt("ldap://x/y", h.URL+"/absent", h.URL+"/good")), ca.cert), revocation.Good, "")
	before := h.asked.Load()
	want(t, check(c, ca.leaf(t, crlAt(h.URL+"/good", h.URL+"/never-asked")), ca.cert), revocation.Good, "")
	if h.asked.Load() != before {
		t.Error("a second address was asked though the first one knew")
	}
	want(t, check(c, ca.leaf(t, crlAt("ldap://x/y", h.URL+"/absent", "ftp://x", h.URL+"/good")), ca.cert), revocation.Unknown, "its address is not http") // a fourth is not asked
}

func TestT20_AddressesThatAreNeverAsked(t *testing.T) {
	t.Parallel()
	ca := newRoot(t)
	c, _ := newChecker(t, func(c *revocation.Config) {
		c.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s was asked", r.URL)
			return nil, io.EOF
		})}
	})
	for _, address := range []string{
		"https://crl.example/x", "ftp://crl.example/x", "file:///etc/passwd", "ldap://crl.example/x", "//crl.example/x", "x", "",
		"http:///x", "http://user@crl.example/x", "http://crl.example/x#y", "http://crl.example/%zz", "http://crl.example/" + string(bytes.Repeat([]byte("x"), 3000)),
	} {
		want(t, check(c, ca.leaf(t, crlAt(address)), ca.cert), revocation.Unknown, "its address is not http://host/path")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
