package enclave_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/enclave"
	"sealcar/test/inprocess"
)

// seen is what a backend got.
type seen struct {
	*http.Request
	body string
}

// backend is an HTTP server that answers by h and tells what it got.
func backend(t *testing.T, h http.HandlerFunc) (base string, got <-chan seen) {
	t.Helper()
	requests := make(chan seen, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the backend could not read the request: %v", err)
		}
		requests <- seen{r, string(body)}
		h(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func answers(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}

const (
	hello      = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	completion = `{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`
)

func TestBackendGetsOpenAIPaths(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ base, method, path, want string }{
		{"", "POST", chatPath, "/chat/completions"},
		{"/", "POST", chatPath, "/chat/completions"},
		{"/v1", "POST", chatPath, "/v1/chat/completions"},
		{"/v1/", "POST", chatPath + "?a=b%20c", "/v1/chat/completions?a=b%20c"},
		{"/a/b%2Fc", "POST", "/api/v3/batch/chat/completions", "/a/b%2Fc/chat/completions"},
		{"/v1", "GET", "/api/v3/models", "/v1/models"},
		{"/v1", "GET", "/api/v3/models/org%2Fmodel", "/v1/models/org%2Fmodel"},
	} {
		t.Run(tc.base+" "+tc.path, func(t *testing.T) {
			t.Parallel()
			url, got := backend(t, answers("application/json", completion))
			e := start(t, enclave.Options{Backend: url + tc.base, AcceptPlaintext: true})
			if r := e.do(t, e.request(t, tc.method, tc.path, hello)); r.StatusCode != http.StatusOK {
				t.Fatalf("status %d: %s", r.StatusCode, r.body)
			}
			if r := <-got; r.RequestURI != tc.want || r.Host != strings.TrimPrefix(url, "http://") {
				t.Errorf("the backend got %s for %s, want %s", r.RequestURI, r.Host, tc.want)
			}
		})
	}
}

func TestBackendGetsItsOwnKeyOnly(t *testing.T) {
	t.Parallel()
	url, got := backend(t, answers("application/json", completion))
	file := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sk-one\n")
	keyed := start(t, enclave.Options{Backend: url, BackendKeyFile: file, AcceptPlaintext: true})
	keyless := start(t, enclave.Options{Backend: url, AcceptPlaintext: true})
	authorization := func(e *running) string {
		e.post(t, chatPath, hello, "Accept-Encoding", "gzip, br")
		r := <-got
		if encoding := r.Header.Get("Accept-Encoding"); encoding != "identity" {
			t.Errorf("Accept-Encoding %q", encoding)
		}
		return r.Header.Get("Authorization")
	}
	if a := authorization(keyed); a != "Bearer sk-one" {
		t.Errorf("got %q", a)
	}
	write("sk-two") // replaced while the enclave runs
	if a := authorization(keyed); a != "Bearer sk-two" {
		t.Errorf("got %q", a)
	}
	if a := authorization(keyless); a != "" {
		t.Errorf("got %q", a)
	}
	write("")
	if r := keyed.post(t, chatPath, hello); r.StatusCode != http.StatusBadGateway || len(got) != 0 {
		t.Errorf("without its key: status %d", r.StatusCode)
	}
}

func TestBackendStatusAndBodyPass(t *testing.T) {
	t.Parallel()
	const fault = `{"error":{"message":"slow down","type":"rate","code":"429","param":null}}`
	url, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, fault)
	})
	e := start(t, enclave.Options{Backend: url, AcceptPlaintext: true})
	got := e.post(t, chatPath, hello)
	if got.StatusCode != http.StatusTooManyRequests || string(got.body) != fault || got.Header.Get("Retry-After") != "7" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

func TestBackendRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere, reached := backend(t, answers("application/json", completion))
	url, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	})
	e := start(t, enclave.Options{Backend: url, AcceptPlaintext: true})
	for _, r := range []reply{e.post(t, chatPath, hello), e.do(t, e.request(t, http.MethodGet, "/api/v3/models", ""))} {
		if r.StatusCode != http.StatusBadGateway || errorCode(t, r) != "backend_redirected" || r.Header.Get("Location") != "" {
			t.Errorf("status %d: %s", r.StatusCode, r.body)
		}
	}
	if len(reached) != 0 {
		t.Error("the redirect was followed")
	}
}

func TestUnreachableBackendIsABadGateway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	var lines inprocess.Log
	e := start(t, enclave.Options{Backend: server.URL, AcceptPlaintext: true, Log: zerolog.New(&lines)})
	for _, r := range []reply{e.post(t, chatPath, hello), e.do(t, e.request(t, http.MethodGet, "/api/v3/models", ""))} {
		if r.StatusCode != http.StatusBadGateway || errorCode(t, r) != "backend_unreachable" || strings.Contains(string(r.body), address) {
			t.Errorf("status %d: %s", r.StatusCode, r.body)
		}
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(lines.String(), address); n != 2 {
		t.Errorf("the log says %d times what failed, want 2: %s", n, lines.String())
	}
}

func TestSilentBackendTimesOut(t *testing.T) {
	t.Parallel()
	url, _ := backend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	e := start(t, enclave.Options{Backend: url, BackendHeader: time.Millisecond, AcceptPlaintext: true})
	if r := e.post(t, chatPath, hello); r.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d: %s", r.StatusCode, r.body)
	}
}

func TestT77_ClientHangUpCancelsTheBackend(t *testing.T) {
	t.Parallel()
	cancelled := make(chan struct{})
	url, got := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(cancelled)
	})
	e := start(t, enclave.Options{Backend: url, AcceptPlaintext: true})
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	resp, err := e.client.Do(e.request(t, http.MethodPost, chatPath, hello).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-got
	hangUp()
	select {
	case <-cancelled:
	case <-time.After(generous):
		t.Error("the backend still works for a client that is gone")
	}
}

func TestServeLeavesNoConnectionToTheBackend(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answers("application/json", completion))
	var open sync.WaitGroup
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Done()
		default:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	e := start(t, enclave.Options{Backend: server.URL, AcceptPlaintext: true})
	e.post(t, chatPath, hello)
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() { open.Wait(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(generous):
		t.Error("a connection to the backend is still open")
	}
}

func TestBadBackendsAreRefused(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]enclave.Options{
		"none":         {},
		"no scheme":    {Backend: "127.0.0.1:8000"},
		"no host":      {Backend: "http:///v1"},
		"ftp":          {Backend: "ftp://127.0.0.1/v1"},
		"credentials":  {Backend: "http://user:canary-4711@127.0.0.1/v1"},
		"a bad URL":    {Backend: "http://user:canary-4711@127.0.0.1:port/v1"},
		"query":        {Backend: "http://127.0.0.1/v1?key=canary-4711"},
		"fragment":     {Backend: "http://127.0.0.1/v1#x"},
		"no key file":  {Backend: "http://127.0.0.1/v1", BackendKeyFile: empty + "-not"},
		"an empty key": {Backend: "http://127.0.0.1/v1", BackendKeyFile: empty},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.StateDir = filepath.Join(t.TempDir(), "state")
			_, err := enclave.New(o)
			if err == nil || strings.Contains(err.Error(), "canary-4711") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(o.StateDir); err == nil {
				t.Error("state was made for an enclave that cannot run")
			}
		})
	}
}
