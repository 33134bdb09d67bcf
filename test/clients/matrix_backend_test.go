package clients_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// backend is the model server of a client's row. It answers as the echo does,
// but for the models that it misbehaves for, and counts.
type backend struct {
	url string

	mu    sync.Mutex
	tries map[string]int // requests by model
	gone  int            // clients that gave a stream of slowModel up
	next  time.Time      // when busyModel may be asked again; zero before the first time
	early int            // requests for busyModel before that
}

const (
	eventsBeforeTrouble = 6
	patience            = 30 * time.Second // for a client to be gone
	retryAfter          = time.Second      // of busyModel
)

// startBackend puts one in front of the echo of an enclave that takes chats in
// clear.
func startBackend(t *testing.T, echo *endpoint) *backend {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(read(t, echo.state, "tls-ca.pem"))) {
		t.Fatal("tls-ca.pem holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
	b := &backend{tries: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: echo.addr})
			r.Out.URL.Path = chatPath
			r.Out.Header.Set("Authorization", "Bearer "+echo.key)
		},
	}
	server := httptest.NewServer(b.handler(t, proxy))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	b.url = server.URL + "/v1"
	return b
}

func (b *backend) handler(t *testing.T, echo http.Handler) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		var request struct{ Model string }
		if err := json.Unmarshal(body, &request); err != nil {
			t.Errorf("the backend got %q: %v", body, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.mu.Lock()
		b.tries[request.Model]++
		b.mu.Unlock()
		switch request.Model {
		case busyModel:
			b.refuse()
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error":{"message":"the model is busy, come back later","type":"rate_limit","param":null,"code":"busy"}}`)
		case downModel:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":{"message":"the model is down","type":"server_error","param":null,"code":"down"}}`)
		case slowModel:
			b.begin(w, r, echo)
			b.awaitGone(t, r)
		case cutModel:
			b.begin(w, r, echo)
			panic(http.ErrAbortHandler)
		default:
			for _, cookie := range cookies() {
				w.Header().Add("Set-Cookie", cookie)
			}
			echo.ServeHTTP(w, r)
			w.Header().Set(http.TrailerPrefix+"X-Checksum", checksum)
		}
	}
}

// begin sends the first events of what the echo says.
func (b *backend) begin(w http.ResponseWriter, r *http.Request, echo http.Handler) {
	whole := httptest.NewRecorder()
	echo.ServeHTTP(whole, r)
	w.Header().Set("Content-Type", whole.Header().Get("Content-Type"))
	events := bytes.SplitAfter(whole.Body.Bytes(), []byte("\n\n"))
	for _, event := range events[:min(eventsBeforeTrouble, len(events))] {
		_, _ = w.Write(event)
	}
	_ = http.NewResponseController(w).Flush()
}

// awaitGone waits until the client has given the stream up.
func (b *backend) awaitGone(t *testing.T, r *http.Request) {
	t.Helper()
	select {
	case <-r.Context().Done():
		b.mu.Lock()
		b.gone++
		b.mu.Unlock()
	case <-time.After(patience):
	}
}

// refuse counts who comes again before the time. It is looked at before the
// refusal goes out, so a client that waits is never counted.
func (b *backend) refuse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Before(b.next) {
		b.early++
	}
	b.next = time.Now().Add(retryAfter)
}

// counts are what a backend has counted since it was last asked.
type counts struct {
	tries map[string]int
	gone  int
	early int
}

func (b *backend) take() counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := counts{b.tries, b.gone, b.early}
	b.tries, b.gone, b.early, b.next = map[string]int{}, 0, 0, time.Time{}
	return taken
}
