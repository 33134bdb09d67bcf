package downstream_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/downstream"
)

// ignore is a handler that wants no body.
func ignore(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no, thanks") }

// Up to 256 KiB that are not wanted are read, and the connection goes on.
func TestABodyThatIsNotWantedIsDiscarded(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(ignore)})
	c := dial(t, r.addr)
	c.send(post(strings.Repeat("b", 256<<10)))
	if reply, _ := c.reply(); reply.Close {
		t.Error("the connection ends")
	}
	c.send(get)
	c.reply()
}

// A client that does not send what it has announced holds its connection for half a
// second, in which it may, and no longer.
func TestABodyThatIsNotWantedIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	r, m, c := serveMeasured(t, downstream.Config{Handler: http.HandlerFunc(ignore)})
	c.send(strings.TrimSuffix(post("hello"), "o"))
	if reply, _ := c.reply(); reply.Close {
		t.Error("the connection ends at once")
	}
	c.ends()
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	m.waitsNoLonger(t, time.Second)
}

// Larger ones are not read to their end, and their clients still come to see the reply:
// closing at once would reset the connection.
func TestAClientIsHeardOutAWhile(t *testing.T) {
	t.Parallel()
	r, m, c := serveMeasured(t, downstream.Config{Handler: http.HandlerFunc(ignore)})
	c.send(post(strings.Repeat("b", 256<<10+8<<10)))
	if reply, body := c.reply(); !reply.Close || body != "no, thanks" {
		t.Errorf("the reply is %q, and says that the connection ends: %t", body, reply.Close)
	}
	c.ends()
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken < 256<<10 || m.taken > 256<<10+8<<10 {
		t.Errorf("%d bytes were read", m.taken)
	}
}

// A handler may copy what another server has said about another connection.
func TestFramingOfTheLastReplyIsOurs(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "keep-alive")
	})})
	c := dial(t, r.addr)
	c.send(post(strings.Repeat("b", 1<<20))[:1<<10])
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	reply, err := io.ReadAll(c.read)
	if err != nil {
		t.Fatal(err)
	}
	if head := string(reply); strings.Count(head, "Connection: ") != 1 || !strings.Contains(head, "\r\nConnection: close\r\n") {
		t.Errorf("the reply is %q", head)
	}
}

// A client that neither sends nor ends is not heard out for ever.
func TestASilentClientIsNotHeardOutForLong(t *testing.T) {
	t.Parallel()
	r, m, c := serveMeasured(t, downstream.Config{Handler: http.HandlerFunc(ignore)})
	c.send(post(strings.Repeat("b", 1<<20))[:1<<10])
	if reply, _ := c.reply(); !reply.Close {
		t.Error("the connection goes on")
	}
	if err := r.down(); err != nil {
		t.Errorf("it is heard out still: %v", err)
	}
	m.waitsNoLonger(t, time.Second)
}

func TestTheRestOfALargeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	r, m, c := serveMeasured(t, downstream.Config{Handler: http.HandlerFunc(ignore)})
	var work sync.WaitGroup
	work.Go(func() { _, _ = io.WriteString(c.Conn, post(strings.Repeat("b", 8<<20))) }) // it is reset
	c.reply()
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	work.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken > 256<<10+8<<10 {
		t.Errorf("%d bytes were read", m.taken)
	}
}
