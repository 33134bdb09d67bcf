// Command http has a streamed chat with net/http, which offers HTTP/2, and with
// Expect: 100-continue. In and out as for python/details.py.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

type seen struct {
	Version   string   `json:"version"`
	Cookies   []string `json:"cookies"`
	RequestID string   `json:"request_id"`
	Trailer   string   `json:"trailer"`
	Continued bool     `json:"continued"`
	Done      bool     `json:"done"`
}

func main() {
	got, err := chat()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(got)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func chat() (*seen, error) {
	got := new(seen)
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { got.Continued = true }})
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("APP_BASE_URL")+"/chat/completions", strings.NewReader(string(body))) //nolint:gosec // the address is the test's
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Authorization":       {"Bearer " + os.Getenv("OPENAI_API_KEY")},
		"Content-Type":        {"application/json"},
		"Expect":              {"100-continue"},
		"X-Client-Request-Id": {"request-1"},
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, ExpectContinueTimeout: time.Minute}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	text, err := io.ReadAll(resp.Body)
	got.Version = strings.TrimPrefix(resp.Proto, "HTTP/")
	got.Cookies = resp.Header["Set-Cookie"]
	got.RequestID = resp.Header.Get("X-Client-Request-Id")
	got.Trailer = resp.Trailer.Get("X-Checksum")
	got.Done = strings.HasSuffix(strings.TrimSpace(string(text)), "[DONE]")
	return got, err
}
