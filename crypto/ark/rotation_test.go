package ark_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/crypto/ark"
	"sealcar/exchange"
)

// rotation is an ark.Certificates that still gives an old certificate, and by
// Renew the one of today.
type rotation struct {
	old, today *ark.Certificate
	err        error // of Renew

	mu     sync.Mutex
	renews []ark.Query
}

func (r *rotation) Certificate(context.Context, ark.Query) (*ark.Certificate, error) {
	return r.old, nil
}

func (r *rotation) Renew(_ context.Context, q ark.Query, stale *ark.Certificate) (*ark.Certificate, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renews = append(r.renews, q)
	return r.today, r.today != stale, r.err
}

func (r *rotation) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.renews)
}

// answer is a reply of an upstream, to be compared byte for byte.
type answer struct {
	status            int
	contentType, body string
}

func (a answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("X-Client-Request-Id", "id-1")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// symptoms are what an endpoint may answer to a request for a key out of use.
// One that is an error for the application has its code.
func symptoms() map[string]struct {
	answer
	code string
} {
	const foreign = "VVY4XEelPm7vB9iKqepajS6f2uLc" // a ciphertext of another session
	type symptom = struct {
		answer
		code string
	}
	all := map[string]symptom{
		"JSON under another key":   {answer{200, "application/json", `{"choices":[{"message":{"content":"` + foreign + `"}}]}`}, "reply_not_authentic"},
		"JSON in clear":            {answer{200, "application/json", `{"choices":[{"message":{"content":"cannot decrypt!"}}]}`}, "reply_in_clear"},
		"JSON error in a 200":      {answer{200, "application/json", `{"error":{"message":"DecryptError"}}`}, ""},
		"stream under another key": {answer{200, "text/event-stream", `data: {"choices":[{"delta":{"content":"` + foreign + `"}}]}` + "\n\ndata: [DONE]\n\n"}, "reply_not_authentic"},
		"stream in clear":          {answer{200, "text/event-stream", `data: {"choices":[{"delta":{"content":"cannot decrypt!"}}]}` + "\n\ndata: [DONE]\n\n"}, "reply_in_clear"},
		"stream that is an error":  {answer{200, "text/event-stream", `data: {"error":{"message":"DecryptError"}}` + "\n\n"}, ""},
	}
	for _, status := range []int{400, 401, 403, 409, 422} {
		all[fmt.Sprint(status)] = symptom{answer{status, "application/json", `{"error": {"code":"InvalidParameter","message":"d\u00e9cryptage"}}` + "\n"}, ""}
	}
	return all
}

const secretChat = `{"messages":[{"role":"user","content":"` + secretWord + `"}],"model":"ep-1"}`

// stale answers a request for today's key as good does, and any other with bad.
func stale(today *endpoint, bad, good http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := ark.AcceptSession(today.key, r.Header.Get("X-Session-Token"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		body, _ := io.ReadAll(r.Body)
		if _, sealed, ok := strings.Cut(string(body), `"content":"`); ok {
			sealed, _, _ = strings.Cut(sealed, `"`)
			if text, err := session.Open(nil, []byte(sealed)); err == nil && string(text) == secretWord {
				good.ServeHTTP(w, r)
				return
			}
		}
		bad.ServeHTTP(w, r)
	})
}

func TestT19_ARotatedKeyCostsTheApplicationNothing(t *testing.T) {
	t.Parallel()
	for name, symptom := range symptoms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, today := newEndpoint(t), newEndpoint(t)
			certificates := &rotation{old: old.cert, today: today.cert}
			contentType, good := symptom.contentType, `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`
			if contentType == "text/event-stream" {
				good = "data: " + strings.Replace(good, "message", "delta", 1) + "\n\ndata: [DONE]\n\n"
			}
			chat := asking(secretChat, contentType)
			up := newRecorder(t, stale(today, symptom, today.sealing(t, contentType, good, "fine")))
			req, record := post(t, up.URL, chatPath, chat)
			// A body that came in pieces and cannot be read twice.
			req.Body, req.GetBody, req.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(chat[:9]), strings.NewReader(chat[9:]))), nil, -1
			status, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: certificates}, req)
			if err != nil || status != 200 || body != strings.Replace(good, "%s", "fine", 1) {
				t.Fatalf("got %d %q, %v", status, body, err)
			}
			seen := up.requests()
			if len(seen) != 2 || certificates.asked() != 1 {
				t.Fatalf("%d requests upstream and %d questions, want 2 and 1", len(seen), certificates.asked())
			}
			if seen[0].header.Get("X-Session-Token") == seen[1].header.Get("X-Session-Token") || seen[0].body == seen[1].body {
				t.Error("the second attempt is not sealed anew")
			}
			for _, r := range seen {
				if strings.Contains(r.body, secretWord) {
					t.Errorf("sent in clear: %s", r.body)
				}
			}
			if q := certificates.renews[0]; q.Symptom == "" || q != (ark.Query{Model: "ep-1", Credential: "sk-test", Symptom: q.Symptom}) {
				t.Errorf("asked for %+v", q)
			}
			if !record.Retried || record.Treatment != exchange.Sealed || record.SealedFields != 1 || record.OpenedFields != 1 {
				t.Errorf("record %+v", record)
			}
		})
	}
}

func TestT19_WithoutANewCertificateTheAnswerIsPassedOn(t *testing.T) {
	t.Parallel()
	for name, symptom := range symptoms() {
		for why, fault := range map[string]error{"nothing new": nil, "nobody to ask": errors.New("certificate endpoint down")} {
			t.Run(name+", "+why, func(t *testing.T) {
				t.Parallel()
				old := newEndpoint(t)
				certificates := &rotation{old: old.cert, today: old.cert, err: fault}
				if fault != nil {
					certificates.today = nil
				}
				up := newRecorder(t, symptom)
				req, record := post(t, up.URL, chatPath, asking(secretChat, symptom.contentType))
				resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: certificates}).RoundTrip(req)
				up.only(t)
				if certificates.asked() != 1 || record.Retried {
					t.Errorf("%d questions, retried %t", certificates.asked(), record.Retried)
				}
				if symptom.code != "" {
					wantCode(t, err, 502, symptom.code, "")
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				body, err := io.ReadAll(resp.Body)
				if symptom.contentType == "text/event-stream" { // without [DONE] it is no clean end
					wantCode(t, err, 502, "reply_truncated", "")
					body, err = body[:min(len(body), len(symptom.body))], nil
				}
				got := answer{resp.StatusCode, strings.TrimSuffix(resp.Header.Get("Content-Type"), "; charset=utf-8"), string(body)}
				if err != nil || got != symptom.answer || resp.Header.Get("X-Client-Request-Id") != "id-1" {
					t.Errorf("got %+v, %v; want it as it came: %+v", got, err, symptom.answer)
				}
			})
		}
	}
}

func TestT19_WhatIsAskedAndTriedIsBounded(t *testing.T) {
	t.Parallel()
	const refused = `{"error":{"code":"InvalidParameter"}}`
	const good = `data: {"choices":[{"delta":{"content":"%s"},"finish_reason":"stop"}]}` + "\n\n"
	const foreign = `data: {"choices":[{"delta":{"content":"VVY4XEelPm7vB9iKqepajS6f2uLc"}}]}` + "\n\n"
	tests := map[string]struct {
		upstream       func(t *testing.T, e *endpoint) http.Handler
		asked, sent    int
		status, length int
		failed         int    // status of the error that ends the reply
		code           string // and its code
		asks           string // type of reply; "" for JSON
	}{
		"one more attempt, whatever it comes to": {func(*testing.T, *endpoint) http.Handler { return answer{400, "application/json", refused} }, 1, 2, 400, len(refused), 0, "", ""},
		"an error reply too long to hold":        {func(*testing.T, *endpoint) http.Handler { return answer{400, "text/plain", strings.Repeat("x", 1<<20)} }, 0, 1, 0, 0, 400, "upstream_error", ""},
		"404":                                    {func(*testing.T, *endpoint) http.Handler { return answer{404, "application/json", refused} }, 0, 1, 404, len(refused), 0, "", ""},
		"429":                                    {func(*testing.T, *endpoint) http.Handler { return answer{429, "application/json", refused} }, 0, 1, 429, len(refused), 0, "", ""},
		"500":                                    {func(*testing.T, *endpoint) http.Handler { return answer{500, "application/json", refused} }, 0, 1, 500, len(refused), 0, "", ""},
		"HTML":                                   {func(*testing.T, *endpoint) http.Handler { return answer{200, "text/html", "<html>"} }, 0, 1, 0, 0, 502, "reply_unreadable", ""},
		"a good reply": {func(t *testing.T, e *endpoint) http.Handler {
			return e.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, "1234567890")
		}, 0, 1, 200, 73, 0, "", ""},
		"a stream after its first event": {func(t *testing.T, e *endpoint) http.Handler {
			return e.sealing(t, "text/event-stream", good+foreign, "first")
		}, 0, 1, 200, -1, 502, "reply_not_authentic", "text/event-stream"},
		"a stream after a comment": {func(*testing.T, *endpoint) http.Handler {
			return answer{200, "text/event-stream", ": thinking\n\n" + foreign}
		}, 0, 1, 200, -1, 502, "reply_not_authentic", "text/event-stream"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, today := newEndpoint(t), newEndpoint(t)
			certificates := &rotation{old: old.cert, today: today.cert}
			up := newRecorder(t, test.upstream(t, old))
			req, _ := post(t, up.URL, chatPath, asking(secretChat, test.asks))
			status, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: certificates}, req)
			if test.code != "" {
				wantCode(t, err, test.failed, test.code, "")
			} else if err != nil {
				t.Fatal(err)
			}
			if status != test.status || test.length >= 0 && len(body) != test.length {
				t.Errorf("got %d and %d bytes, want %d and %d", status, len(body), test.status, test.length)
			}
			if asked, sent := certificates.asked(), len(up.requests()); asked != test.asked || sent != test.sent {
				t.Errorf("asked %d times and sent %d, want %d and %d", asked, sent, test.asked, test.sent)
			}
		})
	}
}

func TestWhatTheAppSealedIsNotSealedAnew(t *testing.T) {
	t.Parallel()
	old := newEndpoint(t)
	session, err := ark.NewSession(old.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	certificates := &rotation{old: old.cert, today: newEndpoint(t).cert}
	up := newRecorder(t, answer{400, "application/json", `{}`})
	req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[{"role":"user","content":"`+string(session.Seal(nil, []byte("x")))+`"}]}`)
	req.Header.Set("X-Session-Token", session.Token())
	req.Header.Set("X-Is-Encrypted", "true")
	if status, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: certificates}, req); err != nil || status != 400 {
		t.Fatal(status, err)
	}
	if up.only(t); certificates.asked() != 0 {
		t.Error("the certificate was asked for")
	}
}

// A stream's headers wait for its first event, and for no more than that.
func TestAStreamIsNotHeldBeyondItsFirstEvent(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"content":       `data: {"choices":[{"delta":{"content":"%s"},"finish_reason":"stop"}]}` + "\n\n",
		"role only":     `data: {"choices":[{"delta":{"role":"assistant"}}]}` + "\n\n",
		"a comment":     ": ping\n\n",
		"a long event":  `data: {"choices":[{"delta":{"content":"%s","reasoning_content":"` + strings.Repeat("r", 5000) + `"},"finish_reason":"stop"}]}` + "\n\n",
		"an empty line": "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, seen := newEndpoint(t), make(chan struct{})
			up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(first, "%s") {
					e.sealing(t, "text/event-stream", first, "first").ServeHTTP(w, r)
				} else {
					respond("text/event-stream", first).ServeHTTP(w, r)
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-seen: // else the application waits for us, and we for it
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
			}))
			req, _ := post(t, up.URL, chatPath, asking(secretChat, "text/event-stream"))
			resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			want := strings.Replace(first, "%s", "first", 1)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
				t.Fatalf("got %q, %v", got, err)
			}
			close(seen)
			rest, err := io.ReadAll(resp.Body)
			if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
				t.Errorf("got %q, %v", rest, err)
			}
		})
	}
}

func TestAStalledReplyIsGivenUp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer
		wantStatus int
		code       string
	}{
		"JSON":           {answer{200, "application/json", `{"choices":[`}, 502, "reply_truncated"},
		"stream":         {answer{200, "text/event-stream", "data: {"}, 502, "reply_truncated"},
		"an error reply": {answer{400, "application/json", `{"error":`}, 400, "upstream_error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				test.ServeHTTP(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}))
			certificates := &rotation{old: e.cert, today: e.cert}
			req, _ := post(t, up.URL, chatPath, asking(secretChat, test.contentType))
			_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: certificates, ReplyIdle: 20 * time.Millisecond}, req)
			if certificates.asked() != 0 {
				t.Error("a reply that never came whole made us ask for the certificate")
			}
			wantCode(t, err, test.wantStatus, test.code, "")
		})
	}
}

// Only what the reply that is passed on holds is counted.
func TestTheRecordIsThatOfTheSecondAttempt(t *testing.T) {
	t.Parallel()
	old, today := newEndpoint(t), newEndpoint(t)
	half := old.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s","reasoning_content":"x"}},{"index":1,"message":{"content":"in clear"}}]}`, "canary")
	up := newRecorder(t, stale(today, half, today.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, "fine")))
	req, record := post(t, up.URL, chatPath, secretChat)
	if _, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: &rotation{old: old.cert, today: today.cert}}, req); err != nil {
		t.Fatal(err)
	}
	if record.OpenedFields != 1 || !record.Retried || record.RepeatedTags != 0 || record.ReplyResidue != nil {
		t.Errorf("record %+v", record)
	}
}

// Once a reply has begun, how long it may pause is the reader's matter.
func TestAReplyThatHasBegunMayPause(t *testing.T) {
	t.Parallel()
	const idle = 20 * time.Millisecond
	e, more := newEndpoint(t), make(chan struct{})
	up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer{200, "text/event-stream", ": begun\n\n"}.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	}))
	req, _ := post(t, up.URL, chatPath, asking(secretChat, "text/event-stream"))
	resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e, ReplyIdle: idle}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	time.AfterFunc(10*idle, func() { close(more) })
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Errorf("got %d bytes, %v", len(body), err)
	}
}
