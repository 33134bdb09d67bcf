package downstream_test

import (
	"context"
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

// patience is for what must happen; only a failing test takes as long.
const patience = 10 * time.Second

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener)
}

// rig is a Server with a server of net/http's behind it.
type rig struct {
	*downstream.Server
	addr   string
	other  *http.Server
	handed atomic.Int32  // connections given to other
	gave   chan struct{} // one is
	over   chan struct{} // closed when Serve has returned
	err    error         // that it returned
}

// serve starts a rig on l. The test's end closes it.
func serve(t testing.TB, l net.Listener, c downstream.Config) *rig {
	t.Helper()
	server, err := downstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		Server: server, addr: l.Addr().String(), over: make(chan struct{}), gave: make(chan struct{}, 1),
		other: &http.Server{Handler: c.Handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Hour},
	}
	r.other.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.handed.Add(1)
			select {
			case r.gave <- struct{}{}:
			default: // nobody waits
			}
		}
	}
	var work sync.WaitGroup
	work.Go(func() {
		defer close(r.over)
		r.err = r.Serve(l, r.other)
	})
	t.Cleanup(func() {
		_ = r.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = r.other.Shutdown(ctx) // which waits for those that linger
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("connections are open still: %v", err)
		}
		work.Wait()
	})
	return r
}

// pieces is a listener whose connections come to be read in pieces of the sizes given,
// each of them whole, so that both servers of a comparison read the same ones.
type pieces struct {
	net.Listener
	sizes []int
}

func (l pieces) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pieced{TCPConn: c.(*net.TCPConn), sizes: l.sizes}, nil
}

type pieced struct {
	*net.TCPConn
	mu    sync.Mutex // guards sizes: net/http reads on two goroutines, one after the other
	sizes []int
}

func (c *pieced) NetConn() net.Conn { return c.TCPConn }

func (c *pieced) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sizes) == 0 {
		return c.TCPConn.Read(p)
	}
	n, err := io.ReadFull(c.TCPConn, p[:min(len(p), c.sizes[0])])
	if c.sizes[0] -= n; c.sizes[0] == 0 {
		c.sizes = c.sizes[1:]
	}
	return n, err
}

// Close reads what the client sends still, which ends with its end: a reset would take
// replies from it that it has not read, in some runs.
func (c *pieced) Close() error {
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, _ = io.Copy(io.Discard, c.TCPConn)
	return c.TCPConn.Close()
}
