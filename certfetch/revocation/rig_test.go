package revocation_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ocsp"

	"sealcar/certfetch/revocation"
	"sealcar/test/certtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// authority is a certificate and its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type edit func(*x509.Certificate)

func newRoot(t testing.TB) *authority {
	t.Helper()
	key := certtest.Key(t)
	template := caTemplate("test root")
	return &authority{sign(t, template, template, key, key.Public()), key}
}

func (a *authority) sub(t testing.TB, edits ...edit) *authority {
	t.Helper()
	key := certtest.Key(t)
	return &authority{sign(t, caTemplate("test sub CA"), a.cert, a.key, key.Public(), edits...), key}
}

func (a *authority) leaf(t testing.TB, edits ...edit) *x509.Certificate {
	t.Helper()
	return a.issue(t, certtest.Key(t).Public(), edits...)
}

func (a *authority) issue(t testing.TB, key crypto.PublicKey, edits ...edit) *x509.Certificate {
	t.Helper()
	return sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "test endpoint"}, NotBefore: now.Add(-day), NotAfter: now.Add(365 * day)}, a.cert, a.key, key, edits...)
}

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-day), NotAfter: now.Add(3650 * day),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
}

func sign(t testing.TB, template, parent *x509.Certificate, by crypto.Signer, key crypto.PublicKey, edits ...edit) *x509.Certificate {
	t.Helper()
	for _, e := range edits {
		e(template)
	}
	return certtest.Sign(t, template, parent, by, key)
}

func crlAt(addresses ...string) edit {
	return func(c *x509.Certificate) { c.CRLDistributionPoints = addresses }
}

func ocspAt(addresses ...string) edit {
	return func(c *x509.Certificate) { c.OCSPServer = addresses }
}

// crl makes a list that revokes what is given.
func (a *authority) crl(t testing.TB, revoked []*x509.Certificate, edits ...func(*x509.RevocationList)) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(day)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now.Add(-2 * time.Hour), ReasonCode: 1})
	}
	for _, e := range edits {
		e(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// answer makes an OCSP response about cert, signed by signer in a's name.
func (a *authority) answer(t testing.TB, cert *x509.Certificate, signer *authority, edits ...func(*ocsp.Response)) []byte {
	t.Helper()
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: cert.SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(day)}
	if signer != a {
		template.Certificate = signer.cert
	}
	for _, e := range edits {
		e(&template)
	}
	der, err := ocsp.CreateResponse(a.cert, signer.cert, template, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func revokedAnswer(r *ocsp.Response) {
	r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, now.Add(-time.Hour), ocsp.KeyCompromise
}

// host is a server whose paths answer as they are told.
type host struct {
	URL   string
	asked atomic.Int32
	mu    sync.Mutex
	paths map[string]http.HandlerFunc
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{paths: map[string]http.HandlerFunc{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		h.mu.Lock()
		serve := h.paths[r.URL.Path]
		h.mu.Unlock()
		if serve == nil {
			http.NotFound(w, r)
			return
		}
		serve(w, r)
	}))
	t.Cleanup(srv.Close)
	h.URL = srv.URL
	return h
}

func (h *host) serve(path string, f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths[path] = f
}

func (h *host) give(path string, body []byte) {
	h.serve(path, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(body)
	})
}

// clock is a time that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newChecker(t testing.TB, edits ...func(*revocation.Config)) (*revocation.Checker, *clock) {
	t.Helper()
	at := &clock{now: now}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	config := revocation.Config{Client: &http.Client{Transport: transport}, Timeout: 30 * time.Second, Now: at.Now}
	for _, e := range edits {
		e(&config)
	}
	c, err := revocation.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, at
}

func check(c *revocation.Checker, path ...*x509.Certificate) revocation.Status {
	return c.Check(context.Background(), path)
}

func want(t *testing.T, s revocation.Status, verdict revocation.Verdict, says string) {
	t.Helper()
	if s.Verdict != verdict || !strings.Contains(s.Reason, says) {
		t.Errorf("%s (%s), want %s with %q", s.Verdict, s.Reason, verdict, says)
	}
	if s.Due.IsZero() || (s.Verdict == revocation.Good) != (!s.NextUpdate.IsZero()) || (s.Verdict == revocation.Good) != (s.Reason == "") {
		t.Errorf("status does not hang together: %+v", s)
	}
}

// distributionPoint is the extension in DER, its fields as they are given.
func distributionPoint(fields ...asn1.RawValue) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		value, err := asn1.Marshal(fields)
		if err != nil {
			panic(err)
		}
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: []int{2, 5, 29, 28}, Critical: true, Value: value})
	}
}

func flag(tag int) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte{0xff}}
}

// fullName names a distribution point by a URI.
func fullName(uri string) asn1.RawValue {
	within := func(tag int, compound bool, content []byte) []byte {
		der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: content})
		if err != nil {
			panic(err)
		}
		return der
	}
	return asn1.RawValue{FullBytes: within(0, true, within(0, true, within(6, false, []byte(uri))))}
}
