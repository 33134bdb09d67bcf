package downstream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/downstream"
)

// stressPatience is for what must happen; only a failing test takes as long.
const stressPatience = 30 * time.Second

// echo answers with the bytes of the request's body, or with its name where it does not
// read that, in the way that its path says. All bytes of a body repeat its name.
type echo struct {
	t      *testing.T
	behind sync.WaitGroup // bodies read on after their handler has returned
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("X-Name")
	w.Header().Set("X-Name", name)
	switch r.URL.Path {
	case "/whole":
		_, _ = w.Write(e.read(name, r.Body))
	case "/flushed":
		for chunk := range bytes.Lines(e.read(name, r.Body)) {
			_, _ = w.Write(chunk)
			_ = http.NewResponseController(w).Flush()
		}
	case "/refused":
		_, _ = io.WriteString(w, name)
	case "/behind": // as a transport may that has its reply early
		e.behind.Go(func() {
			_ = e.read(name, r.Body)
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		})
		_, _ = io.WriteString(w, name)
	case "/aborted":
		_, _ = io.WriteString(w, name)
		panic(http.ErrAbortHandler)
	}
}

// read reads what there is of a body, and looks for others' bytes in it.
func (e *echo) read(name string, body io.Reader) []byte {
	text, err := io.ReadAll(body)
	if !strings.HasPrefix(strings.Repeat(name+"\n", 1+len(text)/(len(name)+1)), string(text)) {
		e.t.Errorf("the body of %s has other bytes: %q", name, text[:min(len(text), 200)])
	}
	if err != nil {
		return nil
	}
	return text
}

// other answers a request that is not plain, which is the last of its connection.
func (e *echo) other(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("X-Name")
	w.Header().Set("X-Name", name)
	w.Header().Set("Connection", "close")
	_, _ = io.WriteString(w, name)
}

// serveEcho has a Server with e, and gives its address. The test's end shuts it down.
func serveEcho(t *testing.T, e *echo) string {
	t.Helper()
	server, err := downstream.New(downstream.Config{Handler: e, IdleTimeout: stressPatience, ReadHeaderTimeout: stressPatience})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.HandlerFunc(e.other), ReadHeaderTimeout: stressPatience}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l, other) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stressPatience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("connections are open still: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
		if err := other.Shutdown(ctx); err != nil {
			t.Errorf("connections of net/http are open still: %v", err)
		}
		e.behind.Wait()
	})
	return l.Addr().String()
}

// Buffers are shared by all connections, one after the other. Whatever clients do,
// nobody gets a byte of another's.
func TestBytesStayWithTheirConnection(t *testing.T) {
	t.Parallel()
	e := &echo{t: t}
	addr := serveEcho(t, e)
	var clients sync.WaitGroup
	var checked atomic.Int32
	for number := range 24 {
		c := &stressClient{t: t, addr: addr, checked: &checked, number: number, rand: rand.New(rand.NewPCG(1, uint64(number)))}
		clients.Go(c.run)
	}
	clients.Wait()
	if n := checked.Load(); n < 500 {
		t.Errorf("only %d replies could be looked at", n)
	}
}

// stressClient is a client with a connection after the other.
type stressClient struct {
	t      *testing.T
	addr   string
	number int
	rand   *rand.Rand
	sent   int // requests, for their names

	checked *atomic.Int32 // replies, of all clients
}

func (c *stressClient) run() {
	for range 25 {
		if !c.connection() {
			return
		}
	}
}

// connection sends some requests in a row, in pieces, and checks each reply, or goes in
// the middle. It reports whether all was well.
func (c *stressClient) connection() bool {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Error(err)
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(stressPatience))
	var text []byte
	var want []string
	for range 1 + c.rand.IntN(6) {
		name, request := c.request()
		text, want = append(text, request...), append(want, name)
	}
	leaving := c.rand.IntN(3) == 0
	if leaving {
		text = text[:c.rand.IntN(len(text))]
	}
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { c.send(conn, text, leaving) })
	return c.check(bufio.NewReader(conn), want)
}

// request makes one, and gives its name and it.
func (c *stressClient) request() (name, text string) {
	c.sent++
	name = fmt.Sprintf("client-%d-%d", c.number, c.sent)
	how := []string{"whole", "whole", "flushed", "refused", "behind", "behind", "aborted", "odd"}[c.rand.IntN(8)]
	body := strings.Repeat(name+"\n", c.rand.IntN(1+c.rand.IntN(1000)))
	if how == "odd" {
		return name, "PUT /odd HTTP/1.1\r\nHost: a\r\nX-Name: " + name + "\r\n\r\n"
	}
	return name, fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: a\r\nX-Name: %s\r\nContent-Length: %d\r\n\r\n%s", how, name, len(body), body)
}

// send sends in pieces, and may end by a reset.
func (c *stressClient) send(conn net.Conn, text []byte, leaving bool) {
	for len(text) > 0 {
		n := 1 + c.rand.IntN(len(text))
		if _, err := conn.Write(text[:n]); err != nil {
			return // the server has closed: it may, in the middle
		}
		text = text[n:]
	}
	if leaving {
		_ = conn.(*net.TCPConn).SetLinger(c.rand.IntN(2) - 1)
		_ = conn.Close()
	}
}

// check reads the replies until the connection ends, which it may early.
func (c *stressClient) check(in *bufio.Reader, want []string) bool {
	for _, name := range want {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return true
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		whole := strings.Repeat(name+"\n", 1+len(text)/(len(name)+1))
		if got := resp.Header.Get("X-Name"); got != name || !strings.HasPrefix(whole, string(text)) {
			c.t.Errorf("the reply to %s is %s's: %q", name, got, text[:min(len(text), 200)])
			return false
		}
		c.checked.Add(1)
		if err != nil || resp.Close {
			return true
		}
	}
	return true
}

// A body that a handler did not want and that does not come in time is never taken for
// the next request.
func TestUnwantedBodyThatComesLateIsNoRequest(t *testing.T) {
	t.Parallel()
	addr := serveEcho(t, &echo{t: t})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(stressPatience))
	_, _ = io.WriteString(conn, "POST /refused HTTP/1.1\r\nHost: a\r\nX-Name: outer\r\nContent-Length: 60\r\n\r\n")
	replies := bufio.NewReader(conn)
	resp, err := http.ReadResponse(replies, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, err := replies.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on (%v): the body would be its next request", err)
	}
}
