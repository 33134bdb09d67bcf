package enclave_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/enclave"
)

const canary = "canary-4711"

// sealedChat is a chat that a client sealed for the enclave.
type sealedChat struct {
	session *ark.Session
	body    string
}

// seal fetches the endpoint's certificate and seals the contents, one message
// each; members are further members of the request.
func (r *running) seal(t *testing.T, members string, contents ...string) sealedChat {
	t.Helper()
	c, err := ark.NewCertificate(r.endpoint(t, `{"model":"ep-1"}`), false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ark.NewSession(c.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, content := range contents {
		messages = append(messages, fmt.Sprintf(`{"role":"user","content":"%s"}`, s.Seal(nil, []byte(content))))
	}
	return sealedChat{s, `{"model":"ep-1",` + members + `"messages":[` + strings.Join(messages, ",") + `]}`}
}

func (r *running) send(t *testing.T, path string, chat sealedChat) reply {
	t.Helper()
	got := r.post(t, path, chat.body, "X-Is-Encrypted", "true", "X-Session-Token", chat.session.Token(), "X-Encrypt-Info", `{"ExpireTime":1}`)
	if bytes.Contains(got.body, []byte(canary)) {
		t.Errorf("plaintext on the wire: %s", got.body)
	}
	return got
}

// open opens the outcome's texts.
func (c sealedChat) open(t *testing.T, text string, open func(dst, sealed []byte) ([]byte, error)) string {
	t.Helper()
	b, err := open(nil, []byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return string(b)
}

func TestT22_SealedChatWhole(t *testing.T) {
	t.Parallel()
	for _, path := range ark.SealablePaths() {
		for _, join := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s joined %v", path, join), func(t *testing.T) {
				t.Parallel()
				e := start(t, enclave.Options{JoinReplies: join})
				chat := e.seal(t, `"n":2,`, "be brief", "say "+canary+" 你好 😀 please")
				got := whole(t, e.send(t, path, chat))
				for _, text := range got.texts {
					if text := chat.open(t, text, chat.session.OpenJoined); text != "You said: say "+canary+" 你好 😀 please" {
						t.Errorf("got %q", text)
					}
					if _, err := chat.session.Open(nil, []byte(text)); (err != nil) != join {
						t.Errorf("as one ciphertext: %v", err)
					}
				}
				if !slices.Equal(got.finish, []string{"stop", "stop"}) || got.usage.Total == 0 {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

func TestSealedChatStreamed(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	chat := e.seal(t, `"n":2,"stream":true,"stream_options":{"include_usage":true},`, "one "+canary+" two")
	texts, pieces, counted := make([]string, 2), 0, 0
	for _, data := range events(t, e.send(t, chatPath, chat)) {
		c := decode[chatReply](t, []byte(data))
		if c.Usage != nil {
			counted = c.Usage.Completion
		}
		for _, choice := range c.Choices {
			if content := choice.Delta.Content; content != nil && *content != "" {
				piece := chat.open(t, *content, chat.session.Open)
				texts[choice.Index] += piece
				if piece != "" {
					pieces++
				}
			}
		}
	}
	for _, text := range texts {
		if text != "You said: one "+canary+" two" {
			t.Errorf("got %q", text)
		}
	}
	if pieces == 0 || pieces != counted {
		t.Errorf("%d pieces, %d counted", pieces, counted)
	}
}

func TestBackendGetsThePlaintextAndNothingOfTheProtocol(t *testing.T) {
	t.Parallel()
	url, requests := backend(t, answers("application/json", completion))
	e := start(t, enclave.Options{Backend: url})
	chat := e.seal(t, `"temperature":1.00,"seed":9007199254740993,`, canary)
	got := onlyContent(t, e.send(t, chatPath, chat))
	if text := chat.open(t, got, chat.session.Open); text != "hi" {
		t.Errorf("got %q", text)
	}
	r := <-requests
	if want := `{"model":"ep-1","temperature":1.00,"seed":9007199254740993,"messages":[{"role":"user","content":"` + canary + `"}]}`; r.body != want {
		t.Errorf("the backend got %s, want %s", r.body, want)
	}
	for _, name := range []string{"X-Is-Encrypted", "X-Session-Token", "X-Encrypt-Info", "Authorization"} {
		if r.Header.Get(name) != "" {
			t.Errorf("the backend got %s", name)
		}
	}
}

// TestSealedPartsAreOpened seals a text part and the image of a data: URL.
func TestSealedPartsAreOpened(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	chat := e.seal(t, "")
	seal := func(text string) string { return string(chat.session.Seal(nil, []byte(text))) }
	chat.body = `{"model":"ep-1","messages":[{"role":"user","content":[{"type":"text","text":"` + seal(canary) +
		`"},{"type":"image_url","image_url":{"url":"` + seal("data:image/png;base64,AAAA") + `"}}]}]}`
	got := whole(t, e.send(t, chatPath, chat))
	if text := chat.open(t, got.texts[0], chat.session.Open); text != "You said: "+canary+" [image 3 bytes image/png]" {
		t.Errorf("got %q", text)
	}
}

// onlyContent is the one content of a reply that has no usage.
func onlyContent(t *testing.T, r reply) string {
	t.Helper()
	c := decode[chatReply](t, r.body)
	if r.StatusCode != http.StatusOK || len(c.Choices) != 1 || c.Choices[0].Message.Content == nil {
		t.Fatalf("status %d: %s", r.StatusCode, r.body)
	}
	return *c.Choices[0].Message.Content
}

func TestSealedForAnotherEnclaveIsRefused(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	e := start(t, enclave.Options{TapBackend: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			reached <- struct{}{}
			return next.RoundTrip(req)
		})
	}})
	other := start(t, enclave.Options{})
	chat := other.seal(t, "", canary)
	if got := e.send(t, chatPath, chat); got.StatusCode != http.StatusBadRequest || errorCode(t, got) != "cannot_open" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
	if len(reached) != 0 {
		t.Error("the backend was asked")
	}
}

func TestTapBackendSeesWhatWasOpened(t *testing.T) {
	t.Parallel()
	opened := make(chan string, 1)
	e := start(t, enclave.Options{TapBackend: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			opened <- string(body)
			req.Body = io.NopCloser(bytes.NewReader(body))
			return next.RoundTrip(req)
		})
	}})
	whole(t, e.send(t, chatPath, e.seal(t, "", canary)))
	var request struct{ Messages []struct{ Content string } }
	if err := json.Unmarshal([]byte(<-opened), &request); err != nil || request.Messages[0].Content != canary {
		t.Errorf("%v: %+v", err, request)
	}
}

// TestT28_BackendThatDiesMidStream must not look like a stream that ended.
func TestT28_BackendThatDiesMidStream(t *testing.T) {
	t.Parallel()
	url, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"id":"1","choices":[{"index":0,"delta":{"content":"`+canary+`"},"finish_reason":null}]}`+"\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // cuts the connection
	})
	e := start(t, enclave.Options{Backend: url})
	got := e.send(t, chatPath, e.seal(t, `"stream":true,`, canary))
	if got.err == nil || bytes.Contains(got.body, []byte("[DONE]")) {
		t.Errorf("the stream looks complete: %v: %s", got.err, got.body)
	}
}
