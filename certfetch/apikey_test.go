package certfetch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/apierror"
	"sealcar/certfetch"
	"sealcar/crypto/ark"
	"sealcar/test/certtest"
)

const apiKey = "sk-canary-0123456789"

// endpoint starts a TLS server and gives a source that asks it.
func endpoint(t *testing.T, h http.HandlerFunc) *certfetch.APIKeySource {
	t.Helper()
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	return &certfetch.APIKeySource{BaseURL: srv.URL + "/api/v3", Client: srv.Client()}
}

// answer sends one fixed reply.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func certificateReply(t testing.TB, text []byte) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"Certificate": string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAPIKeyRequestOnTheWire(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	leaf := p.leaf(t)
	for _, tt := range []struct {
		name string
		aicc bool
		body string
	}{
		{"plain", false, `{"model":"ep-1"}`},
		{"AICC", true, `{"model":"ep-1","type":"AICCv0.1"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			var body []byte
			s := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				answer(http.StatusOK, certificateReply(t, certtest.PEM(leaf)))(w, r)
			})
			s.BaseURL += "/" // does not double
			certs, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey, AICC: tt.aicc})
			if err != nil {
				t.Fatal(err)
			}
			if len(certs) != 1 || !certs[0].Equal(leaf) {
				t.Errorf("got %d certificates", len(certs))
			}
			if got.Method != http.MethodPost || got.RequestURI != "/api/v3/e2e/get/certificate" || string(body) != tt.body {
				t.Errorf("%s %s %s", got.Method, got.RequestURI, body)
			}
			for name, want := range map[string]string{
				"Authorization":   "Bearer " + apiKey,
				"Content-Type":    "application/json",
				"X-Session-Token": "/e2e/get/certificate",
			} {
				if v := got.Header.Get(name); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

// refusal is what an application is to see.
type refusal struct {
	status     int
	code       string
	says       string
	retryAfter time.Duration
	noRetry    bool
}

func TestT21_APIKeyAnswersThatAreNoCertificate(t *testing.T) {
	t.Parallel()
	const doc = `{"error":{"code":"x","message":"the %s says no to sk-canary-0123456789"}}`
	unavailable := refusal{status: 503, code: "certificate_unavailable"}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   refusal
	}{
		{"401", answer(401, fmt.Sprintf(doc, "door")), refusal{401, "certificate_unauthorized", "the door says no to [redacted]); check the request's API key", 0, false}},
		{"403", answer(403, fmt.Sprintf(doc, "judge")), refusal{403, "certificate_forbidden", "the judge says no", 0, false}},
		{"404", answer(404, fmt.Sprintf(doc, "map")), refusal{404, "certificate_not_found", "check the model name", 0, false}},
		{"404 without a document", answer(404, "404 page not found"), refusal{404, "certificate_not_found", "check the model name", 0, false}},
		{"429 with seconds", answer(429, fmt.Sprintf(doc, "queue"), "Retry-After", "7"), refusal{429, "certificate_rate_limited", "the queue says no", 7 * time.Second, false}},
		{"429 with a date", answer(429, "", "Date", "Sat, 21 Nov 2026 12:00:00 GMT", "Retry-After", "Sat, 21 Nov 2026 12:01:00 GMT"), refusal{429, "certificate_rate_limited", "wait", time.Minute, false}},
		{"429 with a wait without end", answer(429, "", "Retry-After", "2147483647"), refusal{429, "certificate_rate_limited", "wait", 24 * time.Hour, false}},
		{"429 with a wait that makes no sense", answer(429, "", "Retry-After", "-1"), refusal{429, "certificate_rate_limited", "wait", 0, false}},
		{"400", answer(400, fmt.Sprintf(doc, "form")), refusal{502, "certificate_rejected", "it answered 400 (the form says no", 0, true}},
		{"418", answer(418, ""), refusal{502, "certificate_rejected", "it answered 418;", 0, true}},
		{"error with status 200", answer(200, fmt.Sprintf(doc, "oracle")), refusal{502, "certificate_rejected", "it answered 200 (the oracle says no", 0, true}},
		{"500", answer(500, fmt.Sprintf(doc, "floor"), "Retry-After", "3"), refusal{503, "certificate_unavailable", "the floor says no", 3 * time.Second, false}},
		{"503", answer(503, "<html>"), unavailable},
		{"HTML", answer(200, "<!doctype html><title>log in</title>", "Content-Type", "text/html"), unavailable},
		{"not JSON after JSON", answer(200, `{"Certificate":""} x`), unavailable},
		{"JSON of another kind", answer(200, `[1]`), unavailable},
		{"no certificate in it", answer(200, `{"Certificate":""}`), unavailable},
		{"garbage PEM", answer(200, `{"Certificate":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}`), unavailable},
		{"10 MB", answer(200, `{"Certificate":"`+strings.Repeat("A", 10<<20)+`"}`), refusal{503, "certificate_unavailable", "over 1048576 bytes", 0, false}},
		{"1,000 certificates", answer(200, certificateReply(t, []byte(strings.Repeat("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 1000)))), unavailable},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unavailable},
		{"less than announced", answer(200, `{`, "Content-Length", "100"), unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := endpoint(t, tt.answer).Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
			wantRefusal(t, err, tt.want)
		})
	}
}

func TestAPIKeySourceHangsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"before the headers": func(http.ResponseWriter, *http.Request) {},
		"within the body": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"Certif`)
			_ = http.NewResponseController(w).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client is gone
				h(w, r)
				<-r.Context().Done()
				panic(http.ErrAbortHandler) // to return would end the body properly, and that could still arrive
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := s.Fetch(ctx, ark.Query{Model: "ep-1", Credential: apiKey})
			wantRefusal(t, err, refusal{status: 503, code: "certificate_unavailable", says: "no answer in time"})
		})
	}
}

func TestAPIKeySourceNobodyThere(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	s := certfetch.APIKeySource{BaseURL: srv.URL, Client: srv.Client()}
	srv.Close()
	_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
	wantRefusal(t, err, refusal{status: 503, code: "certificate_unavailable", says: "could not be reached"})
}

func TestAPIKeySourceFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := endpoint(t, answer(status, "", "Location", elsewhere.URL))
		_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1", Credential: apiKey})
		wantRefusal(t, err, refusal{status: 502, code: "certificate_rejected", says: "redirects are never followed", noRetry: true})
	}
	if reached.Load() {
		t.Error("the redirect was followed")
	}
}

func TestAPIKeySourceWithoutAKeySendsNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	s := endpoint(t, func(http.ResponseWriter, *http.Request) { asked.Store(true) })
	_, err := s.Fetch(t.Context(), ark.Query{Model: "ep-1"})
	wantRefusal(t, err, refusal{status: 401, code: "missing_api_key", says: "Authorization: Bearer"})
	if asked.Load() {
		t.Error("a request without a key was sent")
	}
}

func TestT65_EndpointAndModelCannotWriteOurMessages(t *testing.T) {
	t.Parallel()
	s := endpoint(t, answer(403, `{"error":{"message":"a\r\nb\u001b[31mc\u202ed `+strings.Repeat("é", 1000)+`"}}`))
	_, err := s.Fetch(t.Context(), ark.Query{Model: "m\r\n\x1b[2J" + strings.Repeat("x", 1000), Credential: apiKey})
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		t.Fatal(err)
	}
	if strings.ContainsAny(e.Message, "\r\n\x1b\u202e") || !strings.Contains(e.Message, "a b[31mcd é") || len(e.Message) > 1200 {
		t.Errorf("message (%d bytes) %q", len(e.Message), e.Message)
	}
}

// wantRefusal wants an *apierror.Error of the given kind that names no secret.
func wantRefusal(t *testing.T, err error, want refusal) {
	t.Helper()
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok {
		t.Fatalf("error %v, want an *apierror.Error", err)
	}
	if e.Status != want.status || e.Code != want.code || e.RetryAfter != want.retryAfter || e.NoRetry != want.noRetry {
		t.Errorf("%d %s retry after %v, no retry %t: %q\nwant %+v", e.Status, e.Code, e.RetryAfter, e.NoRetry, e.Message, want)
	}
	if !strings.Contains(e.Message, want.says) {
		t.Errorf("message %q, want one with %q", e.Message, want.says)
	}
	if text := err.Error(); strings.Contains(text, apiKey) || strings.Contains(text, secretKey) {
		t.Errorf("%q holds a secret", text)
	}
}
