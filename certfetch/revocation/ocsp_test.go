package revocation_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sealcar/certfetch/revocation"
	"sealcar/test/certtest"
)

const sha256Opts = crypto.SHA256

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

func TestT17_OCSP(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := newRoot(t)
	ca, foreign := root.sub(t), newRoot(t)
	delegate := func(by *authority, edits ...edit) *authority {
		key := certtest.Key(t)
		edits = append([]edit{func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }}, edits...)
		return &authority{by.issue(t, key.Public(), edits...), key}
	}
	times := func(this, next time.Time) func(*ocsp.Response) {
		return func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = this, next }
	}
	status := func(s int) func(*ocsp.Response) { return func(r *ocsp.Response) { r.Status = s } }
	other := ca.leaf(t)
	namesake := &authority{sign(t, caTemplate("the same key by another name"), root.cert, root.key, ca.key.Public()), ca.key}
	usage := func(u x509.KeyUsage) edit { return func(c *x509.Certificate) { c.KeyUsage = u } }
	tests := []struct {
		name   string
		signer *authority
		edits  []func(*ocsp.Response)
		body   []byte
		want   revocation.Verdict
		says   string
	}{
		{name: "good", signer: ca, want: revocation.Good},
		{name: "good, by a delegate", signer: delegate(ca), want: revocation.Good},
		{name: "good, the issuer's certificate embedded", signer: ca, edits: []func(*ocsp.Response){func(r *ocsp.Response) { r.Certificate = ca.cert }}, want: revocation.Good},
		{name: "revoked", signer: ca, edits: []func(*ocsp.Response){revokedAnswer}, want: revocation.Revoked, says: "keyCompromise"},
		{name: "revoked, by a delegate", signer: delegate(ca), edits: []func(*ocsp.Response){revokedAnswer}, want: revocation.Revoked, says: "keyCompromise"},
		{name: "unknown", signer: ca, edits: []func(*ocsp.Response){status(ocsp.Unknown)}, want: revocation.Unknown, says: "does not know certificate"},
		{name: "stale", signer: ca, edits: []func(*ocsp.Response){times(now.Add(-2*day), now.Add(-day))}, want: revocation.Unknown, says: "stale"},
		{name: "from the future", signer: ca, edits: []func(*ocsp.Response){times(now.Add(time.Hour), now.Add(day))}, want: revocation.Unknown, says: "future"},
		{name: "without an end", signer: ca, edits: []func(*ocsp.Response){times(now.Add(-time.Hour), time.Time{})}, want: revocation.Unknown, says: "no nextUpdate"},
		{name: "about another certificate", signer: ca, edits: []func(*ocsp.Response){func(r *ocsp.Response) { r.SerialNumber = other.SerialNumber }}, want: revocation.Unknown, says: "no response matching"},
		{name: "signed by a stranger", signer: foreign, want: revocation.Unknown, says: "not from the certificate's issuer"},
		{name: "a stranger's delegate", signer: delegate(foreign), want: revocation.Unknown, says: "not from the certificate's issuer"},
		{name: "a delegate of the root", signer: delegate(root), want: revocation.Unknown, says: "not from the certificate's issuer"},
		{name: "an impostor of the issuer's name", signer: delegate(root.sub(t)), want: revocation.Unknown, says: "not from the certificate's issuer"},
		{name: "a delegate of the issuer's key by another name", signer: delegate(namesake), want: revocation.Unknown, says: "not from the certificate's issuer"},
		{name: "an endpoint of the issuer", signer: delegate(ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), want: revocation.Unknown, says: "not meant for OCSP"},
		{name: "any usage is not OCSP", signer: delegate(ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), want: revocation.Unknown, says: "not meant for OCSP"},
		{name: "a delegate that may not sign", signer: delegate(ca, usage(x509.KeyUsageKeyAgreement)), want: revocation.Unknown, says: "not meant for signatures"},
		{name: "a delegate that has expired", signer: delegate(ca, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), want: revocation.Unknown, says: "stale"},
		{name: "a delegate that was not in force yet", signer: delegate(ca, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(day) }), want: revocation.Unknown, says: "not in force"},
		{name: "tryLater", body: ocsp.TryLaterErrorResponse, want: revocation.Unknown, says: `it answered "try later"`},
		{name: "unauthorized", body: ocsp.UnauthorizedErrorResponse, want: revocation.Unknown, says: `it answered "unauthorized"`},
		{name: "garbage", body: []byte("<html>"), want: revocation.Unknown, says: "no OCSP response"},
		{name: "100 KiB", body: make([]byte, 100<<10), want: revocation.Unknown, says: "over 8192 bytes"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := fmt.Sprint("/", i)
			leaf := ca.leaf(t, ocspAt(h.URL+path))
			body := tt.body
			if body == nil {
				body = ca.answer(t, leaf, tt.signer, tt.edits...)
			}
			h.give(path, body)
			c, _ := newChecker(t)
			want(t, check(c, leaf, ca.cert), tt.want, tt.says)
		})
	}
}

func TestT17_ResponseWithASignatureOfNobody(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf := ca.leaf(t, ocspAt(h.URL+"/"))
	body := ca.answer(t, leaf, ca)
	body[len(body)-1] ^= 1
	h.give("/", body)
	c, _ := newChecker(t)
	want(t, check(c, leaf, ca.cert), revocation.Unknown, "its signature")
}

func TestOCSPRequestOnTheWire(t *testing.T) {
	t.Parallel()
	h, ca := newHost(t), newRoot(t)
	leaf := ca.leaf(t, ocspAt(h.URL+"/"))
	body := ca.answer(t, leaf, ca)
	h.serve("/", func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1000)
		n, _ := r.Body.Read(buf)
		req, err := ocsp.ParseRequest(buf[:n])
		if err != nil || req.SerialNumber.Cmp(leaf.SerialNumber) != 0 || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("%s %v: %+v, %v", r.Method, r.Header, req, err)
		}
		_, _ = w.Write(body)
	})
	c, _ := newChecker(t)
	want(t, check(c, leaf, ca.cert), revocation.Good, "")
}
