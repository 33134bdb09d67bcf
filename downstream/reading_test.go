package downstream_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/downstream"
)

// hooked is a connection that says when it begins to be watched, and to be read.
type hooked struct {
	net.Conn
	once    sync.Once
	watched func() // the first time that it is looked through
	reads   func() // each time
}

func (c *hooked) NetConn() net.Conn {
	c.once.Do(c.watched)
	return c.Conn
}

func (c *hooked) Read(p []byte) (int, error) {
	c.reads()
	return c.Conn.Read(p)
}

// serveHooked serves one connection with its hooks, of which nil ones do nothing.
func serveHooked(t *testing.T, c downstream.Config, watched, reads func()) *rig {
	t.Helper()
	l := listen(t)
	orNothing := func(f func()) func() {
		if f == nil {
			return func() {}
		}
		return f
	}
	return serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){func() (net.Conn, error) {
		raw, err := l.Accept()
		if err != nil {
			return nil, err
		}
		return &hooked{Conn: raw, watched: orNothing(watched), reads: orNothing(reads)}, nil
	}}}, c)
}

// Whoever reads a body may wait for its client for as long as the client likes. The
// reply begins meanwhile, and the wait is bounded.
func TestWhoReadsABodyBlocksNothingElse(t *testing.T) {
	t.Parallel()
	reads, over, bound := make(chan struct{}, 4), make(chan struct{}), make(chan struct{})
	r := serveHooked(t, downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-reads // that of the head
		go func() {
			defer close(over)
			_, _ = r.Body.Read(make([]byte, 1))
		}()
		<-reads
		c := http.NewResponseController(w)
		_ = c.Flush()
		<-bound
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-over
	})}, nil, func() { reads <- struct{}{} })
	c := dial(t, r.addr)
	c.send(strings.TrimSuffix(post("hello"), "hello"))
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Errorf("the reply does not begin: %v", err)
	}
	close(bound)
	if err := r.down(); err != nil {
		t.Errorf("the body is waited for: %v", err)
	}
}

// Shutdown has looked at the connection before it began to wait.
func TestAConnectionThatBeginsToWaitDuringShutdownIsClosed(t *testing.T) {
	t.Parallel()
	watched, down := make(chan struct{}), make(chan struct{})
	r := serveHooked(t, downstream.Config{Handler: http.HandlerFunc(readAll)}, func() {
		close(watched)
		<-down
	}, nil)
	c := dial(t, r.addr)
	wait(t, watched)
	r.begin()
	close(down)
	c.ends()
	if err := r.down(); err != nil {
		t.Error(err)
	}
}
