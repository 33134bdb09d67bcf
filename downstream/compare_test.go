package downstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/downstream"
)

// exchange is what a client sends on one connection, and who answers.
type exchange struct {
	send    []string // each comes to be read as one piece; behind the last one the client sends no more
	methods []string // of the requests, where they matter to who reads the replies; GET behind the last one
	handler http.HandlerFunc
}

// outcome is what both sides have seen of an exchange.
type outcome struct {
	requests []string // by the handler
	replies  []string // by the client
}

// seen is a request as a handler has it.
func seen(r *http.Request) string {
	return fmt.Sprintf("%s %s (%s) %s %d.%d host %q, length %d, coding %q, close %t, trailer %v, from somewhere %t, %v",
		r.Method, r.RequestURI, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.Trailer, r.RemoteAddr != "", headers(r.Header))
}

// headers writes a header in order. A date of today's is today.
func headers(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if date, err := http.ParseTime(value); err == nil && time.Since(date).Abs() < 24*time.Hour {
				value = "today"
			}
			fmt.Fprintf(&b, "%s: %q; ", name, value)
		}
	}
	return b.String()
}

// recorder is what handlers have seen.
type recorder struct {
	mu   sync.Mutex
	said []string
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// around notes requests, and what a handler reads of their bodies.
func (r *recorder) around(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		r.note("%s", seen(req))
		read := &noted{ReadCloser: req.Body}
		defer func() { r.note("body %d bytes %.20q, %v", read.n, read.begin, read.cause()) }()
		req = req.WithContext(req.Context()) // net/http looks at the body of its own one
		req.Body = read
		h(w, req)
	}
}

type noted struct {
	io.ReadCloser
	n     int
	begin string
	err   error
}

func (b *noted) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.n += n; len(b.begin) < 20 {
		b.begin += string(p[:n])
	}
	b.err = err
	return n, err
}

// cause leaves the addresses out.
func (b *noted) cause() error {
	if err, ok := errors.AsType[*net.OpError](b.err); ok {
		return err.Err
	}
	return b.err
}

func (e exchange) pieces() (sizes []int) {
	for _, piece := range e.send {
		sizes = append(sizes, len(piece))
	}
	return sizes
}

// byDownstream has an exchange served, and tells how many connections net/http got.
func (e exchange) byDownstream(t *testing.T) (o outcome, handed int32) {
	t.Helper()
	var requests recorder
	r := serve(t, pieces{listen(t), e.pieces()}, downstream.Config{Handler: requests.around(e.handler)})
	o.replies = e.run(t, r.addr)
	return outcome{requests.said, o.replies}, r.handed.Load()
}

// byNetHTTP has it served by the reference.
func (e exchange) byNetHTTP(t *testing.T) outcome {
	t.Helper()
	var requests recorder
	l := listen(t)
	server := &http.Server{Handler: requests.around(e.handler), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: patience}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(pieces{l, e.pieces()}) })
	replies := e.run(t, l.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = server.Shutdown(ctx)
	work.Wait()
	return outcome{requests.said, replies}
}

// run is the client. It returns when the server has ended the connection, which it has
// to do where the client ends it.
func (e exchange) run(t *testing.T, addr string) (replies []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	var work sync.WaitGroup
	work.Go(func() {
		_, _ = io.WriteString(c, strings.Join(e.send, "")) // the server may have had enough
		_ = c.(*net.TCPConn).CloseWrite()
	})
	defer work.Wait()
	return readReplies(bufio.NewReader(c), e.methods)
}

// readReplies reads until the end.
func readReplies(r *bufio.Reader, methods []string) (replies []string) {
	for {
		method := "GET"
		if len(methods) > 0 {
			method = methods[0]
		}
		reply, err := http.ReadResponse(r, &http.Request{Method: method})
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return append(replies, "end: "+err.Error())
		}
		if err != nil {
			return append(replies, "no reply: "+err.Error())
		}
		if reply.StatusCode >= 200 && len(methods) > 0 {
			methods = methods[1:]
		}
		body, err := io.ReadAll(reply.Body)
		replies = append(replies, fmt.Sprintf("%s %s length %d, coding %q, close %t, %v %d bytes %.60q, %v, trailer %v",
			reply.Proto, reply.Status, reply.ContentLength, reply.TransferEncoding, reply.Close, headers(reply.Header), len(body), body, err, headers(reply.Trailer)))
	}
}

func (o outcome) String() string {
	return "  handler: " + strings.Join(o.requests, "\n  handler: ") + "\n  client: " + strings.Join(o.replies, "\n  client: ")
}

// compare fails unless the outcomes are the same.
func compare(t *testing.T, got, want outcome) {
	t.Helper()
	if !slices.Equal(got.requests, want.requests) || !slices.Equal(got.replies, want.replies) {
		t.Errorf("with downstream\n%v\nwith net/http\n%v", got, want)
	}
}
