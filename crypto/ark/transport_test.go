package ark_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/exchange"
)

const chatPath = "/api/v3/chat/completions"

func TestTransportSealsEverySecretStringAndNothingElse(t *testing.T) {
	t.Parallel()
	// What stands between « and » must be sealed, the rest must stay byte for byte.
	tests := []struct{ name, body string }{
		{"string content, every role", `{"model":"ep-1","messages":[{"role":"system","content":"«be kind»"},{"role":"user","content":"«hi»"},{"role":"assistant","content":"«yes»"},{"role":"tool","content":"«42»"}]}`},
		{"empty content", `{"model":"ep-1","messages":[{"role":"user","content":"«»"}]}`},
		{"null content", `{"model":"ep-1","messages":[{"role":"assistant","content":null,"tool_calls":[]},{"role":"user","content":"«a»"}]}`},
		{"parts", `{"model":"ep-1","messages":[{"role":"user","content":[{"type":"text","text":"«look»"},{"type":"image_url","image_url":{"url":"«data:image/png;base64,AAAA»","detail":"low"}}]}]}`},
		{"type after text", `{"model":"ep-1","messages":[{"role":"user","content":[{"text":"«late»","type":"text"}]}]}`},
		{"model last, odd spacing and numbers", "{ \"temperature\" : 1.00,\n\t\"seed\":9007199254740993, \"messages\" : [ {\"content\" : \"«x»\" , \"role\":\"user\"} ] , \"model\":\"ep-1\" }\n"},
		{"Chinese and emoji", `{"model":"ep-1","messages":[{"role":"user","content":"«你好，世界 🦭»"}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, e.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, "ok"))
			transport := &ark.Transport{Base: up.Client().Transport, Certificates: e}
			req, record := post(t, up.URL, chatPath, strings.NewReplacer("«", "", "»", "").Replace(test.body))
			if _, _, err := roundTrip(transport, req); err != nil {
				t.Fatal(err)
			}
			seen := up.only(t)
			session, err := ark.AcceptSession(e.key, seen.header.Get("X-Session-Token"))
			if err != nil {
				t.Fatal(err)
			}
			want, fields := sealMarked(session, test.body)
			if seen.body != want {
				t.Errorf("upstream got\n%s\nwant\n%s", seen.body, want)
			}
			if record.Treatment != exchange.Sealed || record.SealedFields != fields || record.Model != "ep-1" || record.OpenedFields != 1 {
				t.Errorf("record %+v, want %d sealed fields of ep-1 and one opened", record, fields)
			}
		})
	}
}

// sealMarked seals what stands between « and ».
func sealMarked(s *ark.Session, body string) (sealed string, fields int) {
	var b strings.Builder
	for i, piece := range strings.Split(body, "«") {
		secret, rest, found := strings.Cut(piece, "»")
		switch {
		case i == 0:
			b.WriteString(piece)
		case found:
			b.Write(s.Seal(nil, []byte(secret)))
			b.WriteString(rest)
			fields++
		}
	}
	return b.String(), fields
}

func TestTransportSendsTheHeadersOfTheProtocol(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		aicc  bool
		names []string
		info  string
		scene string
	}{
		{"plain", false, nil, `{"ExpireTime":1900000000}`, ""},
		{"AICC", true, []string{"ring.r-1", "key.k-2"}, `{"ExpireTime":1900000000,"Version":"AICCv0.1","RingID":"r-1","KeyID":"k-2"}`, "aicc-skip"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, test.names...)
			up := newRecorder(t, e.sealing(t, "application/json", noAnswer))
			transport := &ark.Transport{Base: up.Client().Transport, Certificates: e, AICC: test.aicc, SkipModeration: test.aicc}
			req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
			req.Header.Set("Accept-Encoding", "gzip, br")
			req.Header.Set("X-Is-Encrypted", "false")
			if _, _, err := roundTrip(transport, req); err != nil {
				t.Fatal(err)
			}
			h := up.only(t).header
			for name, want := range map[string]string{
				"X-Is-Encrypted": "true", "X-Encrypt-Info": test.info, "X-Ark-Moderation-Scene": test.scene,
				"Accept-Encoding": "identity", "Authorization": "Bearer sk-test",
			} {
				if got := strings.Join(h.Values(name), ","); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if err := ark.CheckToken(h.Get("X-Session-Token")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestT3_EveryRequestHasItsOwnToken(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	up := newRecorder(t, e.sealing(t, "application/json", noAnswer))
	transport := &ark.Transport{Base: up.Client().Transport, Certificates: e}
	for range 20 {
		req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[{"role":"user","content":"same"}]}`)
		if _, _, err := roundTrip(transport, req); err != nil {
			t.Fatal(err)
		}
	}
	tokens := map[string]bool{}
	for _, r := range up.requests() {
		tokens[r.header.Get("X-Session-Token")] = true
	}
	if len(tokens) != 20 {
		t.Errorf("20 requests used %d tokens", len(tokens))
	}
}

func TestTransportRefusesAndSendsNothing(t *testing.T) {
	t.Parallel()
	const ok = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	user := func(content string) string {
		return `{"model":"m","messages":[{"role":"user","content":` + content + `}]}`
	}
	e := newEndpoint(t)
	token := func() string {
		s, err := ark.NewSession(e.cert.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return s.Token()
	}()
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Del(pairs[i])
				if pairs[i+1] != "" {
					r.Header.Set(pairs[i], pairs[i+1])
				}
			}
		}
	}
	tests := []struct {
		name, path, body string
		edit             func(*http.Request)
		status           int
		code, param      string
	}{
		{"T55 duplicate messages", chatPath, `{"model":"m","messages":[],"messages":[{"role":"user","content":"leak"}]}`, nil, 400, "invalid_json", "*"},
		{"T55 duplicate content", chatPath, `{"model":"m","messages":[{"content":"a","content":"leak"}]}`, nil, 400, "invalid_json", "*"},
		{"T55 folded name", chatPath, `{"model":"m","messages":[],"Messages":[{"role":"user","content":"leak"}]}`, nil, 400, "invalid_json", "*"},
		{"T55 long s", chatPath, `{"model":"m","messages":[],"me\u017f\u017fages":[{"content":"leak"}]}`, nil, 400, "invalid_json", "*"},
		{"T55 folded content", chatPath, `{"model":"m","messages":[{"role":"user","CONTENT":"leak"}]}`, nil, 400, "invalid_json", "*"},
		{"T55 trailing document", chatPath, ok + ok, nil, 400, "invalid_json", "*"},
		{"T55 byte order mark", chatPath, "\ufeff" + ok, nil, 400, "invalid_json", "*"},
		{"T55 lone surrogate", chatPath, user(`"\ud800"`), nil, 400, "invalid_json", "*"},
		{"T55 invalid UTF-8", chatPath, user("\"\xff\""), nil, 400, "invalid_json", "*"},
		{"not JSON", chatPath, `hello`, nil, 400, "invalid_json", "*"},
		{"empty body", chatPath, ``, nil, 400, "invalid_json", "*"},
		{"an array", chatPath, `[]`, nil, 400, "invalid_request", ""},
		{"no model", chatPath, `{"messages":[]}`, nil, 400, "invalid_request", "model"},
		{"model is a number", chatPath, `{"model":1,"messages":[]}`, nil, 400, "invalid_request", "model"},
		{"no messages", chatPath, `{"model":"m"}`, nil, 400, "invalid_request", "messages"},
		{"messages is an object", chatPath, `{"model":"m","messages":{"content":"leak"}}`, nil, 400, "invalid_request", "messages"},
		{"message is a string", chatPath, `{"model":"m","messages":["leak"]}`, nil, 400, "invalid_request", "messages[0]"},
		{"stream is a string", chatPath, `{"model":"m","stream":"true","messages":[]}`, nil, 400, "invalid_request", "stream"},
		{"content is an object", chatPath, user(`{"text":"leak"}`), nil, 400, "invalid_request", "messages[0].content"},
		{"content is a number", chatPath, user(`42`), nil, 400, "invalid_request", "messages[0].content"},
		{"part is a string", chatPath, user(`["leak"]`), nil, 400, "invalid_request", "messages[0].content[0]"},
		{"text is an object", chatPath, user(`[{"type":"text","text":{"value":"leak"}}]`), nil, 400, "invalid_request", "messages[0].content[0].text"},
		{"T26 http image", chatPath, user(`[{"type":"image_url","image_url":{"url":"https://leak.example/a.png"}}]`), nil, 400, "unsealable_content", "messages[0].content[0].image_url.url"},
		{"image_url is a string", chatPath, user(`[{"type":"image_url","image_url":"https://leak.example/a.png"}]`), nil, 400, "invalid_request", "messages[0].content[0].image_url"},
		{"T26 video", chatPath, user(`[{"type":"video_url","video_url":{"url":"data:leak"}}]`), nil, 400, "unsealable_content", "messages[0].content[0].video_url.url"},
		{"T26 audio", chatPath, user(`[{"type":"text","text":"a"},{"type":"input_audio","input_audio":{"data":"leak"}}]`), nil, 400, "unsealable_content", "messages[0].content[1].input_audio.data"},
		{"part without type", chatPath, user(`[{"text":"leak"}]`), nil, 400, "unsealable_content", "messages[0].content[0]"},
		{"T58 form encoding", chatPath, ok, header("Content-Type", "application/x-www-form-urlencoded"), 400, "unsupported_content_type", "Content-Type"},
		{"T58 multipart", chatPath, ok, header("Content-Type", "multipart/form-data; boundary=x"), 400, "unsupported_content_type", "Content-Type"},
		{"T58 UTF-16", chatPath, ok, header("Content-Type", "application/json; charset=utf-16"), 400, "unsupported_content_type", "Content-Type"},
		{"T58 two content types", chatPath, ok, func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }, 400, "unsupported_content_type", "Content-Type"},
		{"T58 compressed", chatPath, ok, header("Content-Encoding", "gzip"), 400, "unsupported_content_encoding", "Content-Encoding"},
		{"T57 too large", chatPath, user(`"` + strings.Repeat("a", 4096) + `"`), nil, 413, "request_too_large", ""},
		{"T57 CVE-2026-50197 too large, chunked", chatPath, user(`"` + strings.Repeat("a", 4096) + `"`), func(r *http.Request) { r.ContentLength = -1 }, 413, "request_too_large", ""},
		{"no credential", chatPath, ok, header("Authorization", ""), 401, "missing_api_key", "Authorization"},
		{"empty credential", chatPath, ok, header("Authorization", "Bearer  "), 401, "missing_api_key", "Authorization"},
		{"other scheme", chatPath, ok, header("Authorization", "Basic abc"), 401, "missing_api_key", "Authorization"},
		{"junk token", chatPath, ok, header("X-Session-Token", "junk", "X-Is-Encrypted", "true"), 400, "invalid_session_token", "X-Session-Token"},
		{"empty token", chatPath, ok, func(r *http.Request) { r.Header["X-Session-Token"] = []string{""} }, 400, "invalid_session_token", "*"},
		{"literal token on a chat", chatPath, ok, header("X-Session-Token", ark.CertificateToken, "X-Is-Encrypted", "true"), 400, "invalid_session_token", "X-Session-Token"},
		{"good token, content in clear", chatPath, ok, header("X-Session-Token", token, "X-Is-Encrypted", "true"), 400, "content_not_sealed", "messages"},
		{"good token, image in clear", chatPath, user(`[{"type":"image_url","image_url":{"url":"data:leak"}}]`), header("X-Session-Token", token, "X-Is-Encrypted", "true"), 400, "content_not_sealed", "messages"},
		{"good token, image address in clear", chatPath, user(`[{"type":"image_url","image_url":{"url":"https://leak.example/"}}]`), header("X-Session-Token", token, "X-Is-Encrypted", "true"), 400, "content_not_sealed", "messages"},
		{"good token, not declared", chatPath, ok, header("X-Session-Token", token), 400, "invalid_session_token", "X-Is-Encrypted"},
		{"responses", "/api/v3/responses", `{"model":"m","input":"leak"}`, nil, 400, "endpoint_not_sealable", ""},
		{"embeddings", "/api/v3/embeddings", `{"model":"m","input":"leak"}`, nil, 400, "endpoint_not_sealable", ""},
		{"bots", "/api/v3/bots/chat/completions", ok, nil, 400, "endpoint_not_sealable", ""},
		{"context", "/api/v3/context/chat/completions", ok, nil, 400, "endpoint_not_sealable", ""},
		{"trailing slash", chatPath + "/", ok, nil, 400, "endpoint_not_sealable", ""},
		{"other case", "/api/v3/Chat/Completions", ok, nil, 400, "endpoint_not_sealable", ""},
		{"chat by PUT", chatPath, ok, func(r *http.Request) { r.Method = http.MethodPut }, 400, "endpoint_not_sealable", ""},
		{"certificate with another token", ark.CertificatePath, `{"model":"m"}`, header("X-Session-Token", "x"), 400, "invalid_session_token", "X-Session-Token"},
		{"certificate with content", ark.CertificatePath, `{"model":"m","messages":[{"content":"leak"}]}`, nil, 400, "unexpected_body", "messages"},
		{"certificate with a long name", ark.CertificatePath, `{"model":"` + strings.Repeat("leak", 200) + `"}`, nil, 400, "unexpected_body", "model"},
		{"certificate, no JSON", ark.CertificatePath, `leak`, nil, 400, "invalid_json", "*"},
		{"unsafe path that claims to be sealed", "/api/v3/unsafe", `{"input":"leak"}`, header("X-Session-Token", "junk", "X-Is-Encrypted", "true"), 400, "invalid_session_token", "X-Session-Token"},
		{"CVE-2025-64484 underscores for hyphens", chatPath, ok, func(r *http.Request) { r.Header["x_session_token"] = []string{"junk"} }, 400, "invalid_header", "x_session_token"},
		{"models with a body", "/api/v3/models", `leak`, func(r *http.Request) { r.Method = http.MethodGet }, 400, "unexpected_body", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newRecorder(t, respond("application/json", noAnswer))
			transport := &ark.Transport{Base: up.Client().Transport, Certificates: e, MaxRequestBytes: 4096, UnsafePlaintextPaths: []string{"/api/v3/unsafe"}}
			req, record := post(t, up.URL, test.path, test.body)
			if test.edit != nil {
				test.edit(req)
			}
			_, _, err := roundTrip(transport, req)
			wantCode(t, err, test.status, test.code, test.param)
			if n := len(up.requests()); n != 0 {
				t.Errorf("the upstream saw %d requests", n)
			}
			if record.Treatment != exchange.Refused {
				t.Errorf("treatment %q", record.Treatment)
			}
		})
	}
}

func TestTransportPassesWhatCarriesNoContent(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, path, body, token, endpoint string }{
		{"models", http.MethodGet, "/api/v3/models", "", "", "/api/v3/models"},
		{"one model", http.MethodGet, "/api/v3/models/ep-1", "", "", "/api/v3/models/{id}"},
		{"certificate", http.MethodPost, ark.CertificatePath, `{"model":"m"}`, ark.CertificateToken, ark.CertificatePath},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newRecorder(t, respond("application/json", `{"data":[]}`))
			transport := &ark.Transport{Base: up.Client().Transport, Certificates: newEndpoint(t)}
			req, record := post(t, up.URL, test.path, test.body)
			req.Method = test.method
			if test.token != "" {
				req.Header.Set("X-Session-Token", test.token)
			}
			status, body, err := roundTrip(transport, req)
			if err != nil || status != 200 || body != `{"data":[]}` {
				t.Fatalf("got %d %q, %v", status, body, err)
			}
			if seen := up.only(t); seen.body != test.body || seen.header.Get("X-Session-Token") != test.token {
				t.Errorf("upstream saw %+v", seen)
			}
			if record.Treatment != exchange.NoContent || record.Endpoint != test.endpoint {
				t.Errorf("record %+v", record)
			}
		})
	}
}

func TestTransportSendsInClearOnlyWhereAnUnsafeSettingSaysSo(t *testing.T) {
	t.Parallel()
	up := newRecorder(t, respond("application/json", `{"ok":true}`))
	transport := &ark.Transport{Base: up.Client().Transport, Certificates: newEndpoint(t), UnsafePlaintextPaths: []string{"/api/v3/embeddings"}}
	req, record := post(t, up.URL, "/api/v3/embeddings", `{"input":"x"}`)
	if status, _, err := roundTrip(transport, req); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	if record.Treatment != exchange.Plaintext {
		t.Errorf("treatment %q", record.Treatment)
	}
	req, _ = post(t, up.URL, "/api/v3/embeddings/multimodal", `{"input":"x"}`)
	_, _, err := roundTrip(transport, req)
	wantCode(t, err, 400, "endpoint_not_sealable", "")
}

func TestTransportPassesWhatTheAppSealedUntouched(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	session, err := ark.NewSession(e.cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"model":"m","messages":[{"role":"user","content":"` + string(session.Seal(nil, []byte("secret"))) + `"},{"role":"user","content":[{"type":"text","text":""}]}]}`
	up := newRecorder(t, respond("application/json", `{"choices":[{"message":{"content":"as it is"}}]}`))
	transport := &ark.Transport{Base: up.Client().Transport, Certificates: e}
	req, record := post(t, up.URL, chatPath, body)
	req.Header.Set("X-Session-Token", session.Token())
	req.Header.Set("X-Is-Encrypted", "true")
	_, got, err := roundTrip(transport, req)
	if err != nil || got != `{"choices":[{"message":{"content":"as it is"}}]}` {
		t.Fatalf("got %q, %v", got, err)
	}
	if seen := up.only(t); seen.body != body || seen.header.Get("X-Session-Token") != session.Token() {
		t.Errorf("upstream saw %+v", seen)
	}
	if record.Treatment != exchange.AppSealed {
		t.Errorf("treatment %q", record.Treatment)
	}
}

func TestTransportOpensReplies(t *testing.T) {
	t.Parallel()
	const chunk = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}` + "\n\n"
	tests := []struct {
		name, contentType, format string
		texts                     []string
		want                      string
	}{
		{
			"whole, other bytes kept", "application/json",
			"{ \"id\":\"x\", \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"reasoning_content\":\"clear\"},\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":1.0}}\n",
			[]string{"你好 \"q\"\n"},
			"{ \"id\":\"x\", \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"你好 \\\"q\\\"\\n\",\"reasoning_content\":\"clear\"},\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":1.0}}\n",
		},
		{"several joined", "application/json", `{"choices":[{"message":{"content":"%s%s%s"},"finish_reason":"stop"}]}`, []string{"a", "bcd", "ef"}, `{"choices":[{"message":{"content":"abcdef"},"finish_reason":"stop"}]}`},
		{"two choices", "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"},{"index":1,"message":{"content":"%s"},"finish_reason":"stop"}]}`, []string{"one", "two"}, `{"choices":[{"message":{"content":"one"},"finish_reason":"stop"},{"index":1,"message":{"content":"two"},"finish_reason":"stop"}]}`},
		{"null and empty content", "application/json", `{"choices":[{"message":{"content":null,"tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"},{"index":1,"message":{"content":""},"finish_reason":"stop"}]}`, nil, `{"choices":[{"message":{"content":null,"tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"},{"index":1,"message":{"content":""},"finish_reason":"stop"}]}`},
		{"T25 filtered text is dropped", "application/json", `{"choices":[{"message":{"content":"injected"},"finish_reason":"content_filter"},{"index":1,"finish_reason":"stop","message":{"content":"%s"}}]}`, []string{"kept"}, `{"choices":[{"message":{"content":""},"finish_reason":"content_filter"},{"index":1,"finish_reason":"stop","message":{"content":"kept"}}]}`},
		{"stream", "text/event-stream", chunk + ": ping\n\n" + chunk + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{}}\n\ndata: [DONE]\n\n", []string{"Hel", "lo"}, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}` + "\n\n: ping\n\n" + `data: {"id":"c","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}` + "\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{}}\n\ndata: [DONE]\n\n"},
		{"an error in a success", "application/json; charset=utf-8", `{"error":{"message":"overloaded"}}`, nil, `{"error":{"message":"overloaded"}}`},
		{"an error that is its message", "application/json", `{"error":"overloaded","choices":null}`, nil, `{"error":"overloaded","choices":null}`},
		{"T25 stream, filtered text is dropped", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"injected\"},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n", nil, "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"content_filter\"}]}\n\ndata: [DONE]\n\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, e.sealing(t, test.contentType, test.format, test.texts...))
			req, _ := post(t, up.URL, chatPath, asking(`{"model":"m","messages":[]}`, test.contentType))
			status, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req)
			if err != nil || status != 200 {
				t.Fatal(status, err)
			}
			if body != test.want {
				t.Errorf("got\n%s\nwant\n%s", body, test.want)
			}
		})
	}
}

func TestTransportBelievesNoReplyThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	const foreign = "VVY4XEelPm7vB9iKqepajS6f2uLc" // a ciphertext of another session
	tests := []struct{ name, contentType, body, code string }{
		{"T24 plaintext", "application/json", `{"choices":[{"message":{"content":"believe me"}}]}`, "reply_in_clear"},
		{"T27 another session's ciphertext", "application/json", `{"choices":[{"message":{"content":"` + foreign + `"}}]}`, "reply_not_authentic"},
		{"content is a list", "application/json", `{"choices":[{"message":{"content":["x"]}}]}`, "reply_unreadable"},
		{"duplicate content", "application/json", `{"choices":[{"message":{"content":null,"content":"x"}}]}`, "reply_unreadable"},
		{"T23 HTML", "text/html", `<html>`, "reply_unreadable"},
		{"T23 Content-Type taken away", "", `{}`, "reply_untyped"},
		{"a string", "application/json", `"believe me"`, "reply_unreadable"},
		{"T28 no finish_reason", "application/json", `{"choices":[{"message":{"reasoning_content":"so"}}]}`, "reply_unfinished"},
		{"T28 null as finish_reason", "application/json", `{"choices":[{"message":{"reasoning_content":"so"},"finish_reason":null}]}`, "reply_unfinished"},
		{"T28 empty", "application/json", `{}`, "reply_unfinished"},
		{"T28 null for an error", "application/json", `{"error":null}`, "reply_unfinished"},
		{"T28 no choice", "application/json", `{"choices":[],"usage":{"total_tokens":1}}`, "reply_unfinished"},
		{"T28 a choice that says nothing", "application/json", `{"choices":[{"message":{"role":"assistant"}}]}`, "reply_unfinished"},
		{"T28 null for content and finish_reason", "application/json", `{"choices":[{"message":{"content":null},"finish_reason":null}]}`, "reply_unfinished"},
		{"T28 an error beside a choice without end", "application/json", `{"error":{"message":"x"},"choices":[{"message":{"reasoning_content":"so"}}]}`, "reply_unfinished"},
		{"T28 false as error", "application/json", `{"error":false}`, "reply_unreadable"},
		{"T28 a number as error", "application/json", `{"error":1}`, "reply_unreadable"},
		{"T28 an empty string as error", "application/json", `{"error":""}`, "reply_unreadable"},
		{"T28 an empty object as error", "application/json", `{"error":{}}`, "reply_unreadable"},
		{"T28 a list as error", "application/json", `{"error":["x"]}`, "reply_unreadable"},
		{"T28 an error without its message", "application/json", `{"error":{"code":"x","message":null}}`, "reply_unreadable"},
		{"T28 an error with an empty message", "application/json", `{"error":{"message":" ","code":{"message":"x"}}}`, "reply_unreadable"},
		{"T32 choice with an index out of range", "application/json", `{"choices":[{"index":1024,"finish_reason":"stop"}]}`, "reply_unreadable"},
		{"T32 choice with a negative index", "application/json", `{"choices":[{"index":-1,"finish_reason":"stop"}]}`, "reply_unreadable"},
		{"T32 choice with a name for an index", "application/json", `{"choices":[{"index":"0","finish_reason":"stop"}]}`, "reply_unreadable"},
		{"not JSON", "application/json", `{`, "reply_unreadable"},
		{"too large", "application/json", `{"a":"` + strings.Repeat("a", 5000) + `"}`, "reply_too_large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, respond(test.contentType, test.body))
			req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
			_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, MaxReplyBytes: 4096}, req)
			wantCode(t, err, 502, test.code, "")
		})
	}
}

func TestTransportEndsABadStreamWithAnErrorEventAndABrokenBody(t *testing.T) {
	t.Parallel()
	const good = "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n"
	const (
		finished = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
		nulled   = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":null}]}\n\n"
		other    = "data: {\"choices\":[{\"index\":1,\"delta\":{\"role\":\"assistant\"}}]}\n\n"
		failed   = "event: thread.x\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n"
		more     = "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"so\"}}]}\n\n"
	)
	const opened = "data: {\"choices\":[{\"delta\":{\"content\":\"first\"}}]}\n\n"
	tests := []struct{ name, rest, delivered, code string }{
		{"T28 no [DONE]", "", "", "reply_truncated"},
		{"T28 no finish_reason", "data: [DONE]\n\n", "", "reply_unfinished"},
		{"T28 no finish_reason of another choice", strings.Replace(finished, "0", "1", 1) + "data: [DONE]\n\n", strings.Replace(finished, "0", "1", 1), "reply_unfinished"},
		{"T28 null as finish_reason", nulled + "data: [DONE]\n\n", nulled, "reply_unfinished"},
		{"T28 content after the finish_reason", finished + more + "data: [DONE]\n\n", finished + more, "reply_unfinished"},
		{"T28 cut inside an event", "data: {\"choi", "", "reply_truncated"},
		{"T28 a choice that says nothing", finished + other + "data: [DONE]\n\n", finished + other, "reply_unfinished"},
		{"T28 an error and no [DONE]", finished + failed, finished + failed, "reply_truncated"},
		{"T28 an error and [DONE], no finish_reason", failed + "data: [DONE]\n\n", failed, "reply_unfinished"},
		{"T28 more after an error", failed + finished + "data: [DONE]\n\n", failed, "reply_after_done"},
		{"T28 false as error", "data: {\"error\":false}\n\n", "", "reply_unreadable"},
		{"T24 plaintext", "data: {\"choices\":[{\"delta\":{\"content\":\"believe me\"}}]}\n\ndata: [DONE]\n\n", "", "reply_in_clear"},
		{"T27 wrong tag", "data: {\"choices\":[{\"delta\":{\"content\":\"VVY4XEelPm7vB9iKqepajS6f2uLc\"}}]}\n\ndata: [DONE]\n\n", "", "reply_not_authentic"},
		{"T29 data after [DONE]", finished + "data: [DONE]\n\ndata: {\"choices\":[]}\n\n", finished + "data: [DONE]\n\n", "reply_after_done"},
		{"T29 second [DONE]", finished + "data: [DONE]\n\ndata: [DONE]\n\n", finished + "data: [DONE]\n\n", "reply_after_done"},
		{"T30 event too large", "data: " + strings.Repeat("a", 5000) + "\n\n", "", "reply_too_large"},
		{"not JSON", "data: hello\n\ndata: [DONE]\n\n", "", "reply_unreadable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			up := newRecorder(t, e.sealing(t, "text/event-stream", good+strings.ReplaceAll(test.rest, "%", "%%"), "first"))
			req, _ := post(t, up.URL, chatPath, `{"model":"m","stream":true,"messages":[]}`)
			_, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, MaxEventBytes: 4096}, req)
			if err == nil || errors.Is(err, io.EOF) {
				t.Fatalf("the body ended cleanly: %q", body)
			}
			wantCode(t, err, 502, test.code, "")
			rest, ok := strings.CutPrefix(body, opened+test.delivered+"data: {\"error\":{")
			if !ok || !strings.Contains(rest, `"code":"`+test.code+`"`) || !strings.HasSuffix(rest, "}}\n\n") {
				t.Errorf("the app got\n%s\nwant the good event and then an error event with %s", body, test.code)
			}
		})
	}
}

func TestTransportPassesTheAPIsOwnErrors(t *testing.T) {
	t.Parallel()
	const document = `{"error":{"code":"RateLimit","message":"slow down"}}`
	up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, document)
	}))
	req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
	resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: newEndpoint(t)}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || string(body) != document {
		t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
	}
}

// TestT3_NoTokenIsSentTwiceForAnIdempotencyKey breaks the connection under a
// request that was received: net/http would send it again, under the same key.
func TestT3_NoTokenIsSentTwiceForAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	answer := e.sealing(t, "application/json", noAnswer)
	up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") == "second" {
			panic(http.ErrAbortHandler)
		}
		answer.ServeHTTP(w, r)
	}))
	transport := &ark.Transport{Base: up.Client().Transport, Certificates: e}
	for _, key := range []string{"first", "second"} { // the second on the kept-alive connection of the first
		req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
		req.Header.Set("Idempotency-Key", key)
		if _, _, err := roundTrip(transport, req); (err != nil) != (key == "second") {
			t.Errorf("%s: %v", key, err)
		}
	}
	seen := map[string]bool{}
	for _, r := range up.requests() {
		token := r.header.Get("X-Session-Token")
		if seen[token] {
			t.Error("a token was sent twice")
		}
		seen[token] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d tokens, want 2", len(seen))
	}
}

// zeros is a body that never ends and counts what is taken of it.
type zeros struct{ taken int }

func (z *zeros) Read(p []byte) (int, error) {
	z.taken += len(p)
	return len(p), nil
}

func TestT73_ABodyThatSaysItIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	body := new(zeros)
	req, _ := post(t, "https://upstream.invalid", chatPath, "")
	req.Body, req.ContentLength = io.NopCloser(body), 1<<40
	_, _, err := roundTrip(&ark.Transport{}, req)
	wantCode(t, err, 413, "request_too_large", "")
	if body.taken != 0 {
		t.Errorf("%d bytes were read", body.taken)
	}
}

// An SDK that looks for events takes a JSON document for a stream without any.
func TestT28_AReplyIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	const whole = `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`
	stream := "data: " + strings.Replace(whole, "message", "delta", 1) + "\n\ndata: [DONE]\n\n"
	for body, reply := range map[string]struct{ contentType, format string }{
		`{"model":"m","stream":true,"messages":[]}`:  {"application/json", whole},
		`{"model":"m","stream":false,"messages":[]}`: {"text/event-stream", stream},
	} {
		e := newEndpoint(t)
		up := newRecorder(t, e.sealing(t, reply.contentType, reply.format, "answer"))
		req, _ := post(t, up.URL, chatPath, body)
		_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req)
		wantCode(t, err, 502, "reply_unreadable", "")
	}
}
