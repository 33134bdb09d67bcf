package ark_test

import (
	"crypto/ecdh"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sealcar/crypto/ark"
)

// ends are both halves back to back over TLS: app → Transport → Handler → backend.
type ends struct {
	*endpoint
	client  *ark.Transport
	wire    *recorder // what crossed
	backend *recorder // what the enclave opened
	base    string
}

func newEnds(t *testing.T, backend http.Handler, edit func(*ark.Handler)) *ends {
	t.Helper()
	e := &ends{endpoint: newEndpoint(t), backend: newBackend(t, backend)}
	handler := &ark.Handler{Keys: e.keys, Backend: toServer(e.backend), ErrorLog: log.New(io.Discard, "", 0)}
	if edit != nil {
		edit(handler)
	}
	e.wire = newRecorder(t, handler)
	e.client = &ark.Transport{Base: e.wire.Client().Transport, Certificates: e.endpoint}
	e.base = e.wire.URL
	return e
}

// toServer sends every request to one server, whatever its URL says.
func toServer(r *recorder) http.RoundTripper {
	return roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		out := req.Clone(req.Context())
		out.URL.Scheme, out.URL.Host = "https", strings.TrimPrefix(r.URL, "https://")
		return r.Client().Transport.RoundTrip(out)
	})
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestBothHalvesCarryAChatUnchangedAndSealed(t *testing.T) {
	t.Parallel()
	const (
		whole  = `{"choices":[{"index":0,"message":{"content":"` + secretWord + `, 你好, said twice","role":"assistant"},"finish_reason":"stop"},{"index":1,"message":{"content":"` + secretWord + `"},"finish_reason":"length"}],"usage":{"total_tokens":3}}`
		stream = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n" +
			"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"" + secretWord + " \"}},{\"index\":0,\"delta\":{\"content\":\"" + secretWord + "\"}}]}\n\n" +
			"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},{\"index\":1,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n" +
			"data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n"
		chat = `{"model":"m","messages":[{"role":"user","content":"` + secretWord + `"},{"role":"user","content":[{"type":"text","text":"` + secretWord + `"},{"type":"image_url","image_url":{"url":"data:` + secretWord + `"}}]}]}`
	)
	tests := []struct {
		name, path, contentType, reply string
		edit                           func(*ark.Handler)
	}{
		{"whole", chatPath, "application/json", whole, nil},
		{"joined", chatPath, "application/json", whole, func(h *ark.Handler) { h.JoinReplies = true }},
		{"stream", chatPath, "text/event-stream", stream, nil},
		{"batch", "/api/v3/batch/chat/completions", "application/json", whole, nil},
		{"second key", chatPath, "application/json", whole, func(h *ark.Handler) {
			first, old := newEndpoint(t), h.Keys
			h.Keys = func() []*ecdh.PrivateKey { return append(first.keys(), old()...) }
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t, respond(test.contentType, test.reply), test.edit)
			chat := asking(chat, test.contentType)
			req, _ := post(t, e.base, test.path, chat)
			status, body, err := roundTrip(e.client, req)
			if err != nil || status != 200 {
				t.Fatal(status, body, err)
			}
			if body != test.reply {
				t.Errorf("the app got\n%s\nwant\n%s", body, test.reply)
			}
			opened := e.backend.only(t)
			if opened.body != chat || opened.path != test.path {
				t.Errorf("the backend got %s\n%s\nwant\n%s", opened.path, opened.body, chat)
			}
			for _, name := range []string{"X-Session-Token", "X-Is-Encrypted", "X-Encrypt-Info"} {
				if opened.header.Get(name) != "" {
					t.Errorf("the backend got the protocol's header %s", name)
				}
			}
			if strings.Contains(e.wire.only(t).body, secretWord) {
				t.Error("the secret word crossed the wire")
			}
		})
	}
}

func TestHandlerSealsReplies(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, contentType, reply, inClear string }{
		{"whole", "application/json", `{"choices":[{"message":{"content":"canary"}}]}`, ""},
		{"stream", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"canary\"}}]}\n\ndata: [DONE]\n\n", ""},
		{"filtered stays in clear, as Ark has it", "application/json", `{"choices":[{"message":{"content":"notice"},"finish_reason":"content_filter"}]}`, "notice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t, respond(test.contentType, test.reply), nil)
			session, err := ark.NewSession(e.cert.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			req, _ := post(t, e.base, chatPath, `{"model":"m","messages":[{"role":"user","content":"`+string(session.Seal(nil, []byte("hi")))+`"}]}`)
			req.Header.Set("X-Session-Token", session.Token())
			req.Header.Set("X-Is-Encrypted", "true")
			status, body, err := roundTrip(e.wire.Client().Transport, req)
			if err != nil || status != 200 || strings.Contains(body, "canary") || !strings.Contains(body, test.inClear) {
				t.Errorf("got %d %s, %v", status, body, err)
			}
		})
	}
}

// The vendor's Python SDK opens every string of a stream, the empty one of the
// first chunk as well.
func TestHandlerSealsEmptyContentToo(t *testing.T) {
	t.Parallel()
	e := newEnds(t, respond("text/event-stream", "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\ndata: [DONE]\n\n"), nil)
	session, err := ark.NewSession(e.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := post(t, e.base, chatPath, `{"model":"m","stream":true,"messages":[]}`)
	req.Header.Set("X-Session-Token", session.Token())
	req.Header.Set("X-Is-Encrypted", "true")
	_, body, err := roundTrip(e.wire.Client().Transport, req)
	want := "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"" + string(session.Seal(nil, nil)) + "\"}}]}\n\ndata: [DONE]\n\n"
	if err != nil || body != want {
		t.Errorf("got\n%s, %v\nwant\n%s", body, err, want)
	}
}

func TestHandlerRefusesWhatItCannotOpen(t *testing.T) {
	t.Parallel()
	plain := `{"model":"m","messages":[{"role":"user","content":"hello there, in clear"}]}`
	other := newEndpoint(t)
	foreign, err := ark.NewSession(other.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed := `{"model":"m","messages":[{"role":"user","content":"` + string(foreign.Seal(nil, []byte("hi"))) + `"}]}`
	tests := []struct {
		name, path, body, token, encrypted string
		status                             int
		code                               string
	}{
		{"not sealed", chatPath, plain, "", "", 400, "not_sealed"},
		{"not declared", chatPath, sealed, foreign.Token(), "", 400, "not_sealed"},
		{"junk token", chatPath, sealed, "junk", "true", 400, "invalid_session_token"},
		{"content in clear", chatPath, plain, foreign.Token(), "true", 400, "cannot_open"},
		{"another endpoint's", chatPath, sealed, foreign.Token(), "true", 400, "cannot_open"},
		{"not JSON", chatPath, "{", foreign.Token(), "true", 400, "invalid_json"},
		{"another path", "/api/v3/embeddings", sealed, foreign.Token(), "true", 404, "not_found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t, respond("application/json", `{}`), nil)
			req, _ := post(t, e.base, test.path, test.body)
			if test.token != "" {
				req.Header.Set("X-Session-Token", test.token)
			}
			if test.encrypted != "" {
				req.Header.Set("X-Is-Encrypted", test.encrypted)
			}
			status, body, err := roundTrip(e.wire.Client().Transport, req)
			if err != nil || status != test.status || !strings.Contains(body, `"code":"`+test.code+`"`) {
				t.Errorf("got %d %s, %v; want %d %s", status, body, err, test.status, test.code)
			}
			if n := len(e.backend.requests()); n != 0 {
				t.Errorf("the backend saw %d requests", n)
			}
		})
	}
}

func TestHandlerServesPlaintextOnlyWhenTold(t *testing.T) {
	t.Parallel()
	const reply = `{"choices":[{"message":{"content":"clear"}}]}`
	e := newEnds(t, respond("application/json", reply), func(h *ark.Handler) { h.AcceptPlaintext = true })
	req, _ := post(t, e.base, chatPath, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:a"}},{"type":"input_audio"}]}]}`)
	status, body, err := roundTrip(e.wire.Client().Transport, req)
	if err != nil || status != 200 || body != reply {
		t.Errorf("got %d %s, %v", status, body, err)
	}
}

func TestHandlerOpensWhatTheVendorsSDKsLeavePartlyInClear(t *testing.T) {
	t.Parallel()
	e := newEnds(t, respond("application/json", `{}`), nil)
	session, err := ark.NewSession(e.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"«hi»"},{"type":"text","text":""},{"type":"image_url","image_url":{"url":"https://pictures.example/1"}},{"type":"video_url","video_url":{"url":"https://pictures.example/2"}}]}]}`
	sealed, _ := sealMarked(session, body)
	req, _ := post(t, e.base, chatPath, sealed)
	req.Header.Set("X-Session-Token", session.Token())
	req.Header.Set("X-Is-Encrypted", "true")
	if status, answer, err := roundTrip(e.wire.Client().Transport, req); err != nil || status != 200 {
		t.Fatal(status, answer, err)
	}
	if got, want := e.backend.only(t).body, strings.NewReplacer("«", "", "»", "").Replace(body); got != want {
		t.Errorf("the backend got\n%s\nwant\n%s", got, want)
	}
}

func TestHandlerEndsBrokenBackendsBroken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		backend http.HandlerFunc
		status  int // 0: the reply has begun, so its body breaks
		code    string
	}{
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, 502, "backend_unreadable"},
		{"cut stream", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 0, "reply_truncated"},
		{"own error", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `{"error":{"code":"busy"}}`)
		}, 503, "busy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t, test.backend, nil)
			req, _ := post(t, e.base, chatPath, `{"model":"m","stream":true,"messages":[]}`)
			status, body, err := roundTrip(e.client, req)
			switch {
			case test.status == 0:
				wantCode(t, err, 502, test.code, "")
			case err != nil || status != test.status || !strings.Contains(body, test.code):
				t.Errorf("got %d %s, %v", status, body, err)
			}
		})
	}
}

func TestHandlerAnswersUnreachableBackends(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	e := newEnds(t, nil, func(h *ark.Handler) {
		h.Backend = roundTripperFunc(func(req *http.Request) (*http.Response, error) {
			out := req.Clone(req.Context())
			out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(gone.URL, "http://")
			return http.DefaultTransport.RoundTrip(out)
		})
	})
	req, _ := post(t, e.base, chatPath, `{"model":"m","messages":[]}`)
	status, body, err := roundTrip(e.client, req)
	if err != nil || status != 502 || !strings.Contains(body, "backend_unreachable") {
		t.Errorf("got %d %s, %v", status, body, err)
	}
}
