package ark_test

import (
	"context"
	"crypto/ecdh"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/exchange"
	"sealcar/test/certtest"
	"sealcar/test/wire"
)

// endpoint is an inference endpoint's key and certificate.
type endpoint struct {
	key  *ecdh.PrivateKey
	cert *ark.Certificate
}

func newEndpoint(t testing.TB, dnsNames ...string) *endpoint {
	t.Helper()
	key := certtest.Key(t)
	leaf := certtest.Sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "endpoint"}, DNSNames: dnsNames,
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_900_000_000, 0),
	}, nil, key, key.Public())
	cert, err := ark.NewCertificate(leaf, len(dnsNames) > 0)
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	return &endpoint{key: private, cert: cert}
}

// Certificate implements ark.Certificates.
func (e *endpoint) Certificate(context.Context, ark.Query) (*ark.Certificate, error) {
	return e.cert, nil
}

// Renew implements ark.Certificates: there is no other certificate.
func (e *endpoint) Renew(_ context.Context, _ ark.Query, stale *ark.Certificate) (*ark.Certificate, bool, error) {
	return stale, false, nil
}

func (e *endpoint) keys() []*ecdh.PrivateKey { return []*ecdh.PrivateKey{e.key} }

// secretWord is the word in prompts that may reach no upstream in clear.
const secretWord = "secret-7319-PQ4ZKX2M"

// recorder is a TLS server that keeps every request that reached it and answers
// by its handler.
type recorder struct {
	*httptest.Server
	wire wire.Recorder
	mu   sync.Mutex
	seen []request
}

type request struct {
	method, path string
	header       http.Header
	body         string
}

// newRecorder runs one as the upstream of sealed requests: that word in any of
// them fails the test.
func newRecorder(t *testing.T, answer http.Handler) *recorder {
	t.Helper()
	r := newBackend(t, answer)
	r.wire.Guard(t, secretWord)
	return r
}

// newBackend runs one that may read everything.
func newBackend(t *testing.T, answer http.Handler) *recorder {
	t.Helper()
	r := new(recorder)
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("reading the request upstream: %v", err)
		}
		r.wire.Record(req, body)
		r.mu.Lock()
		r.seen = append(r.seen, request{req.Method, req.URL.Path, req.Header.Clone(), string(body)})
		r.mu.Unlock()
		req.Body = io.NopCloser(strings.NewReader(string(body)))
		answer.ServeHTTP(w, req)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.seen...)
}

// only is the one request that must have come.
func (r *recorder) only(t *testing.T) request {
	t.Helper()
	seen := r.requests()
	if len(seen) != 1 {
		t.Fatalf("the upstream saw %d requests, want 1", len(seen))
	}
	return seen[0]
}

// post is an app's request for the upstream at base.
func post(t testing.TB, base, path, body string) (*http.Request, *exchange.Record) {
	t.Helper()
	record := new(exchange.Record)
	req, err := http.NewRequestWithContext(exchange.With(t.Context(), record), http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer sk-test")
	return req, record
}

// roundTrip sends req and returns the status and the whole body, with the error
// that ended it.
func roundTrip(rt http.RoundTripper, req *http.Request) (status int, body string, err error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// wantCode checks that err is an *apierror.Error with the code and param; "*"
// is any.
func wantCode(t *testing.T, err error, status int, code, param string) {
	t.Helper()
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		t.Fatalf("got error %v, want an *apierror.Error with code %s", err, code)
	}
	if e.Status != status || code != "*" && e.Code != code || param != "*" && e.Param != param {
		t.Errorf("got %d %s at %q (%s), want %d %s at %q", e.Status, e.Code, e.Param, e.Message, status, code, param)
	}
}

// respond answers every request alike.
// asking is a chat's body that asks for a reply of that type.
func asking(body, contentType string) string {
	if strings.HasPrefix(contentType, "text/event-stream") {
		return `{"stream":true,` + strings.TrimPrefix(body, "{")
	}
	return body
}

// noAnswer is a complete reply that says nothing.
const noAnswer = `{"choices":[{"index":0,"message":{"content":null},"finish_reason":"stop"}]}`

func respond(contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	})
}

// sealing answers as an honest Ark would: body is a format whose %s are the
// sealed texts.
func (e *endpoint) sealing(t *testing.T, contentType, format string, texts ...string) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := ark.AcceptSession(e.key, r.Header.Get("X-Session-Token"))
		if err != nil {
			t.Errorf("accepting the session upstream: %v", err)
			return
		}
		sealed := make([]any, len(texts))
		for i, text := range texts {
			sealed[i] = string(session.Seal(nil, []byte(text)))
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = fmt.Fprintf(w, format, sealed...)
	})
}

// read is all that a body holds.
func read(t *testing.T, body io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
