package sidecar_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/translate/anthropic"
	"sealcar/translate/dialect"
	"sealcar/translate/models"
	"sealcar/translate/responses"
	"sealcar/translate/tools"
)

// roundTripper is a function that carries a request.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// live is how much is in memory, in bytes.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // also what pools held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Each translation reads the whole request and writes another. While the last of
// them waits for its reply, what the others have read is let go.
//
//nolint:paralleltest // it measures the memory of all
func TestT84_ARequestIsInMemoryOnceWhileItIsSent(t *testing.T) {
	const size = 8 << 20
	const path = "/api/v3/chat/completions"
	budget := payload.NewBudget(1 << 30)
	var before, during int64
	seal := roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := payload.Read(r, 2*size, "")
		if err != nil {
			return nil, err
		}
		during = live() - before
		if !bytes.Contains(body, []byte("moved")) || !bytes.Contains(body, []byte(`"ep-1"`)) {
			t.Errorf("the request did not go through all translations: %.200q", body)
		}
		runtime.KeepAlive(body)
		return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	isChat := func(r *http.Request) bool { return r.URL.Path == path }
	chats := dialect.Settings{BasePath: "/api/v3", Base: &models.Transport{
		Names: map[string]string{"m": "ep-1"}, Applies: isChat, Base: &tools.Transport{Base: seal, Applies: isChat},
	}}
	text := strings.Repeat("x", size)
	tool := `"name":"moved","description":"d"`
	for url, test := range map[string]struct {
		way  http.RoundTripper
		body []byte
	}{
		"/api/v3/responses": {&responses.Transport{Settings: chats}, []byte(`{"model":"m","input":"` + text + `","tools":[{"type":"function",` + tool + `,"parameters":{}}]}`)},
		"/api/v3/messages":  {&anthropic.Transport{Settings: chats}, []byte(`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"` + text + `"}],"tools":[{` + tool + `,"input_schema":{"type":"object"}}]}`)},
		path:                {chats.Base, []byte(`{"model":"m","messages":[{"role":"user","content":"` + text + `"}],"tools":[{"type":"function","function":{` + tool + `}}]}`)},
	} {
		req, err := http.NewRequestWithContext(exchange.With(context.Background(), new(exchange.Record)), http.MethodPost, "https://upstream.example"+url, io.NopCloser(bytes.NewReader(test.body)))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(test.body))
		req.Header.Set("Content-Type", "application/json")
		before, during = live(), 0
		resp, err := budget.Within(test.way).RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		_ = resp.Body.Close()
		if during < size || during > size+size/2 {
			t.Errorf("%s: a request of %d bytes takes up %d", url, size, during)
		}
		runtime.KeepAlive(test.body)
	}
}

// A response repeats some of its request, but a long one does not hold all of it.
//
//nolint:paralleltest // it measures the memory of all
func TestT84_ARequestIsLetGoWhileItsResponseStreams(t *testing.T) {
	const size = 8 << 20
	stream, rest := io.Pipe()
	defer func() { _ = rest.Close() }()
	seal := roundTripper(func(r *http.Request) (*http.Response, error) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: stream, Request: r}, nil
	})
	text := strings.NewReader(`{"model":"m","stream":true,"instructions":"be brief","input":"` + strings.Repeat("x", size) + `"}`)
	req, err := http.NewRequestWithContext(exchange.With(context.Background(), new(exchange.Record)), http.MethodPost, "https://upstream.example/api/v3/responses", io.NopCloser(text))
	if err != nil {
		t.Fatal(err)
	}
	budget := payload.NewBudget(1 << 30)
	before := live()
	resp, err := budget.Within(&responses.Transport{Settings: dialect.Settings{BasePath: "/api/v3", Base: seal}}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if held := live() - before; held > size/8 || budget.Used() > size/8 {
		t.Errorf("%d bytes are held, %d of the budget, for a request of %d that has been sent", held, budget.Used(), size)
	}
	runtime.KeepAlive(text)
	_ = resp.Body.Close()
}
