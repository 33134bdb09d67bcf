package downstream_test

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/downstream"
)

// FuzzPlainRequestsAreReadAsNetHTTPReadsThem: whatever a client sends, be it cut into
// however many reads, handlers see and clients get what they would with net/http's
// server alone.
func FuzzPlainRequestsAreReadAsNetHTTPReadsThem(f *testing.F) {
	for _, group := range []map[string]request{bodies(), heads()} {
		for _, r := range group {
			for _, piece := range r.send {
				f.Add([]byte(piece+probe), 0)
			}
		}
	}
	for line := range lines() {
		f.Add([]byte(with(line)+probe), 0)
	}
	for line := range lengthLines() {
		f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\n"+line+"\r\n\r\nhello"+probe), 0)
	}
	for line := range requestLines() {
		f.Add([]byte(line+"\r\nHost: a\r\n\r\n"), 3)
	}
	var requests recorder
	handler := requests.around(readAll)
	plain, err := downstream.New(downstream.Config{Handler: handler})
	if err != nil {
		f.Fatal(err)
	}
	other := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	rest := downstream.NewHandoff()
	var taken atomic.Int32
	other.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			taken.Add(1)
		}
	}
	var work sync.WaitGroup
	work.Go(func() { _ = other.Serve(rest) })
	f.Cleanup(func() {
		_ = plain.Close()
		_ = other.Close()
		_ = rest.Close()
		work.Wait()
	})
	f.Fuzz(func(t *testing.T, sent []byte, cut int) {
		if len(sent) > 64<<10 || len(bytes.Trim(sent, "\r\n")) == 0 {
			return
		}
		outcomeOf := func(serve func(*heard)) outcome {
			requests.forget()
			c := &heard{in: sent, cut: cut, over: make(chan struct{})}
			serve(c)
			<-c.over
			return outcome{requests.all(), readReplies(bufio.NewReader(&c.out), nil)}
		}
		handed := false
		got := outcomeOf(func(c *heard) {
			before := taken.Load()
			plain.ServeConn(c, rest)
			handed = taken.Load() > before
		})
		if handed && len(got.requests) == 0 {
			return // it was net/http's alone
		}
		compare(t, got, outcomeOf(func(c *heard) { rest.Give(c) }))
	})
}

// heard is a connection whose client has sent everything and ended, and hears what is
// said.
type heard struct {
	mu   sync.Mutex // net/http reads in the background
	in   []byte
	cut  int // of the first read, in bytes; 0 for nowhere
	out  bytes.Buffer
	over chan struct{} // when it is closed
	once sync.Once
}

func (c *heard) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	if c.cut > 0 {
		p = p[:min(len(p), c.cut)]
		c.cut = 0
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *heard) Write(p []byte) (int, error) { return c.out.Write(p) }

func (c *heard) Close() error {
	c.once.Do(func() { close(c.over) })
	return nil
}

func (*heard) CloseWrite() error                { return nil }
func (*heard) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*heard) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*heard) SetDeadline(time.Time) error      { return nil }
func (*heard) SetReadDeadline(time.Time) error  { return nil }
func (*heard) SetWriteDeadline(time.Time) error { return nil }
