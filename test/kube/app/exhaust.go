package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// quiet is how long a connection is held that neither sends nor reads.
const quiet = 3 * time.Second

// chatURL goes to the proxy in clear, so that what counts is sealcar's memory
// and not this program's TLS.
const chatURL = "http://ark.cn-beijing.volces.com/api/v3/chat/completions"

// exhaust does to the sidecar at addr, all at once, what test/e2e/memory_test.go
// does to one outside of a container (T73 to T76): bodies over
// the limit, with and without a length, streams, chats that fit but not all at
// once, and connections that stop halfway or never begin. It prints what came of
// it and ends without an error if each answer is one that limits give, every chat
// that fits got through, and one is answered afterwards.
func exhaust(ctx context.Context, addr string) error {
	l := &load{addr: addr, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr}), DisableKeepAlives: true,
	}}}
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { l.send(ctx, "64 MiB", io.LimitReader(zeros{}, 64<<20+1), 64<<20+1) })
		all.Go(func() { l.send(ctx, "no length", zeros{}, -1) })
		all.Go(func() { l.send(ctx, "stream", body(true, strings.Repeat("word ", 100)), 0) })
	}
	for range 5 {
		all.Go(func() { l.persist(ctx, strings.Repeat("x", 2<<20)) })
	}
	for range 50 {
		all.Go(func() { l.hang(ctx, "POST /v1/chat/completions HTTP/1.1\r\nHost: x") })
		all.Go(func() { l.hang(ctx, head(4_000_000)+strings.Repeat("x", 100_000)) })
		all.Go(func() {
			b, _ := io.ReadAll(body(true, strings.Repeat("word ", 2000))) // memory never fails
			l.hang(ctx, head(len(b))+string(b))
		})
	}
	for range 1000 {
		all.Go(func() { l.hang(ctx, "") })
	}
	all.Wait()
	fmt.Println("outcomes:", l.outcomes)
	if err := l.judge(); err != nil {
		return err
	}
	reply, err := chat(ctx, "after it all")
	fmt.Println("reply:", reply)
	return err
}

// load is what is thrown at a sidecar, and what came back.
type load struct {
	addr   string
	client *http.Client

	mu       sync.Mutex
	outcomes map[string]map[string]int // by kind of request and status
}

// send sends one body and notes its status, or closed.
func (l *load) send(ctx context.Context, kind string, body io.Reader, length int64) (outcome string) {
	defer func() { l.note(kind, outcome) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, chatURL, body)
	if err != nil {
		return err.Error()
	}
	if length != 0 {
		req.ContentLength = length
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	resp, err := l.client.Do(req)
	if err != nil {
		return "closed" // the connection went while the body was on its way
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "broken"
	}
	return fmt.Sprint(resp.StatusCode)
}

// persist sends a chat again, as it is told, until it gets through.
func (l *load) persist(ctx context.Context, text string) {
	for range 100 {
		if l.send(ctx, "2 MiB", body(false, text), 0) == "200" {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// hang sends text and then neither sends nor reads for a while.
func (l *load) hang(ctx context.Context, text string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.addr)
	if err != nil {
		l.note("connection", err.Error())
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, text) // refused ones may be gone already
	time.Sleep(quiet)
}

func (l *load) note(kind, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outcomes == nil {
		l.outcomes = map[string]map[string]int{}
	}
	if l.outcomes[kind] == nil {
		l.outcomes[kind] = map[string]int{}
	}
	l.outcomes[kind][outcome]++
}

// judge tells whether limits were what decided.
func (l *load) judge() error {
	allowed := map[string]string{"64 MiB": "413 503 closed", "no length": "413 503 closed", "2 MiB": "200 503 closed", "stream": "200 503 closed"}
	var wrong []error
	for kind, statuses := range l.outcomes {
		for status := range statuses {
			if !strings.Contains(allowed[kind], status) {
				wrong = append(wrong, fmt.Errorf("%s: %s", kind, status))
			}
		}
	}
	if l.outcomes["2 MiB"]["200"] != 5 {
		wrong = append(wrong, errors.New("not every chat of 2 MiB got through, sent again as it was told"))
	}
	return errors.Join(wrong...)
}

func body(streamed bool, text string) *bytes.Reader {
	b, _ := json.Marshal(map[string]any{ // strings always marshal
		"model": "ep-kube", "stream": streamed, "messages": []map[string]string{{"role": "user", "content": text}},
	})
	return bytes.NewReader(b)
}

// head is that of a chat's request as it goes over a bare connection.
func head(length int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		chatURL, os.Getenv("OPENAI_API_KEY"), length)
}

// zeros is as large as anybody reads.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
