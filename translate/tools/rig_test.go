package tools_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/translate/tools"
)

const chatPath = "/api/v3/chat/completions"

// weather is the one tool of most tests.
const weather = `{"type":"function","function":{"name":"weather","description":"of a city","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}`

// upstream answers with one reply and keeps what it was sent.
type upstream struct {
	status    int // 0 is 200
	mediaType string
	reply     string
	body      io.ReadCloser // instead of reply

	sent  string
	calls int
}

func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	u.calls++
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		if req.ContentLength != int64(len(b)) {
			return nil, errors.New("the length is not that of the body")
		}
		u.sent = string(b)
	}
	resp := &http.Response{Request: req, StatusCode: max(u.status, 200), Header: http.Header{}, Body: u.body}
	if u.status != 0 {
		resp.StatusCode = u.status
	}
	if resp.Body == nil {
		resp.Body = io.NopCloser(strings.NewReader(u.reply))
	}
	resp.Header.Set("Content-Type", u.mediaType)
	return resp, nil
}

// constant is randomness of which there is any amount.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

const anID = "call_" + "070707070707070707070707"

func post(t testing.TB, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://upstream.example"+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

// send sends a chat through a Transport and reads the reply.
func send(t testing.TB, u *upstream, body string) (string, error) {
	t.Helper()
	resp, err := transport(u).RoundTrip(post(t, body))
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// moved is what becomes of a chat.
func moved(t testing.TB, body string) string {
	t.Helper()
	u := &upstream{mediaType: "application/json", reply: `{}`}
	if _, err := send(t, u, body); err != nil {
		t.Fatal(err)
	}
	return u.sent
}

// refused is why a chat is refused.
func refused(t testing.TB, body string) *apierror.Error {
	t.Helper()
	u := &upstream{mediaType: "application/json", reply: `{}`}
	_, err := send(t, u, body)
	fault, ok := errors.AsType[*apierror.Error](err)
	if !ok || u.calls > 0 {
		t.Fatalf("%v after %d calls, want a refusal and none", err, u.calls)
	}
	return fault
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func always(*http.Request) bool { return true }

func transport(u *upstream) *tools.Transport {
	return &tools.Transport{Base: u, Applies: always, Random: constant(7)}
}
