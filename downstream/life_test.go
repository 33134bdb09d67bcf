package downstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/downstream"
)

// client is a connection to a server, from the other end.
type client struct {
	net.Conn
	t    testing.TB
	read *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{Conn: c, t: t, read: bufio.NewReader(c)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one, with its body.
func (c *client) reply() (r *http.Response, body string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.read, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return r, string(b)
}

// ends fails unless the server has ended the connection, in order.
func (c *client) ends() {
	c.t.Helper()
	if b, err := io.ReadAll(c.read); len(b) > 0 || err != nil {
		c.t.Errorf("the connection goes on with %q, or fails: %v", b, err)
	}
}

func wait[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing has happened")
	}
	return v
}

// gate is a handler that says that it is at work, and works until told or cancelled.
type gate struct {
	entered chan context.Context
	release chan struct{}
}

func newGate() *gate { return &gate{make(chan context.Context, 1), make(chan struct{})} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.entered <- r.Context()
	select {
	case <-g.release:
		_, _ = io.WriteString(w, "done")
	case <-r.Context().Done():
	}
}

func TestARequestIsCancelledWhenItsClientIsGone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(net.Conn){
		"a close":      func(c net.Conn) { _ = c.Close() },
		"a reset":      func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() },
		"half a close": func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate()
			r := serve(t, listen(t), downstream.Config{Handler: g})
			c := dial(t, r.addr)
			c.send(get + get) // what a client sends is no end
			ctx := wait(t, g.entered)
			if ctx.Err() != nil {
				t.Fatal("it is cancelled before the end")
			}
			end(c.Conn)
			wait(t, ctx.Done())
			if r.handed.Load() != 0 {
				t.Error("net/http saw it, not we")
			}
		})
	}
}

func TestARequestOverTLSIsCancelledWhenItsClientIsGone(t *testing.T) {
	t.Parallel()
	pki := httptest.NewUnstartedServer(nil) // for its certificate
	pki.StartTLS()
	defer pki.Close()
	g := newGate()
	r := serve(t, tls.NewListener(listen(t), &tls.Config{Certificates: pki.TLS.Certificates}), downstream.Config{Handler: g})
	secure := pki.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	secure.ServerName = "example.com"
	c := tls.Client(dial(t, r.addr).Conn, secure)
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	ctx := wait(t, g.entered)
	_ = c.Close()
	wait(t, ctx.Done())
	if r.handed.Load() != 0 {
		t.Error("net/http saw it, not we")
	}
}

// A context is its connection's, so nothing may end it between requests.
func TestTheNextRequestIsNotCancelledWithTheLast(t *testing.T) {
	t.Parallel()
	g := newGate()
	close(g.release)
	r := serve(t, listen(t), downstream.Config{Handler: g})
	c := dial(t, r.addr)
	for range 2 {
		c.send(get)
		if _, body := c.reply(); body != "done" {
			t.Fatalf("the reply is %q", body)
		}
		if ctx := wait(t, g.entered); ctx.Err() != nil {
			t.Error("a request is cancelled while its client is there")
		}
	}
}

// A client that takes nothing is as good as gone.
func TestARequestIsCancelledWhenItsReplyCannotBeSent(t *testing.T) {
	t.Parallel()
	errs := make(chan error, 1)
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
		_, _ = io.WriteString(w, large)
		errs <- r.Context().Err()
	})})
	dial(t, r.addr).send(get)
	if err := wait(t, errs); !errors.Is(err, context.Canceled) {
		t.Errorf("the context says %v", err)
	}
}

// Nobody asked for other protocols, so what comes behind would be in none.
func TestAReplyThatSwitchesProtocolsIsTheLast(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
	})})
	c := dial(t, r.addr)
	c.send(get)
	if reply, _ := c.reply(); reply.StatusCode != http.StatusSwitchingProtocols || !reply.Close {
		t.Errorf("the reply is %s, %v", reply.Status, reply.Header)
	}
	c.ends()
}

func TestConnectionsThatWaitAreClosedByShutdown(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(readAll)})
	fresh, used := dial(t, r.addr), dial(t, r.addr)
	used.send(get)
	used.reply()
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	used.ends()
	_, _ = io.ReadAll(fresh.read) // reset if it was not accepted any more
	wait(t, r.over)
	if !errors.Is(r.err, http.ErrServerClosed) {
		t.Errorf("Serve gave %v", r.err)
	}
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("connections are taken still")
	}
}

// down shuts the server down.
func (r *rig) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return r.Shutdown(ctx)
}

// begin begins to shut the server down, and waits for nothing.
func (r *rig) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Shutdown(ctx)
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	g := newGate()
	r := serve(t, listen(t), downstream.Config{Handler: g})
	c := dial(t, r.addr)
	c.send(get + get) // the other one is not served any more
	ctx := wait(t, g.entered)
	r.begin()
	if ctx.Err() != nil {
		t.Error("the request is cancelled")
	}
	close(g.release)
	if reply, body := c.reply(); !reply.Close || body != "done" {
		t.Errorf("the last reply is %q, and says that the connection ends: %t", body, reply.Close)
	}
	if err := r.down(); err != nil {
		t.Error(err)
	}
	c.ends()
}

// A reply that has begun cannot say any more that it is the last one.
func TestShutdownEndsAfterAReplyThatHasBegun(t *testing.T) {
	t.Parallel()
	g := newGate()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		g.ServeHTTP(w, r)
	})})
	c := dial(t, r.addr)
	c.send(get)
	wait(t, g.entered)
	r.begin()
	close(g.release)
	if reply, body := c.reply(); reply.Close || body != "done" {
		t.Errorf("the reply is %q, and says that the connection ends: %t", body, reply.Close)
	}
	c.ends()
	if err := r.down(); err != nil {
		t.Error(err)
	}
}

func TestShutdownEndsWithItsContextAndCloseEndsRequests(t *testing.T) {
	t.Parallel()
	g := newGate()
	r := serve(t, listen(t), downstream.Config{Handler: g})
	c := dial(t, r.addr)
	c.send(get)
	ctx := wait(t, g.entered)
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Shutdown(short); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown gave %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the request is cancelled by Shutdown")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wait(t, ctx.Done())
	if err := r.down(); err != nil {
		t.Error(err)
	}
}

func TestServeAfterShutdownTakesNothing(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(readAll)})
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	defer func() { _ = l.Close() }()
	served := make(chan error, 1)
	go func() { served <- r.Serve(l, nil) }()
	if err := wait(t, served); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve gave %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("connections are taken")
	}
}

// scripted is a listener that does what it is told, one Accept after the other.
type scripted struct {
	net.Listener
	mu    sync.Mutex
	steps []func() (net.Conn, error)
}

func (l *scripted) Accept() (net.Conn, error) {
	l.mu.Lock()
	if len(l.steps) == 0 {
		l.mu.Unlock()
		return l.Listener.Accept()
	}
	step := l.steps[0]
	l.steps = l.steps[1:]
	l.mu.Unlock()
	return step()
}

// A connection may have been accepted already when Shutdown closes the listener.
func TestAConnectionThatComesDuringShutdownIsClosed(t *testing.T) {
	t.Parallel()
	l := listen(t)
	accepted, down := make(chan struct{}), make(chan struct{})
	r := serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){func() (net.Conn, error) {
		c, err := l.Accept()
		close(accepted)
		<-down
		return c, err
	}}}, downstream.Config{Handler: http.HandlerFunc(readAll)})
	c := dial(t, r.addr)
	wait(t, accepted)
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	close(down)
	c.ends()
	wait(t, r.over)
}

// passing is what Accept gives when there are too many open files.
type passing struct{ error }

func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

func TestTroubleWithAcceptingThatPassesIsWaitedFor(t *testing.T) {
	t.Parallel()
	trouble := func() (net.Conn, error) { return nil, passing{errors.New("too many open files")} }
	said := make(chan string, 2)
	r := serve(t, &scripted{Listener: listen(t), steps: []func() (net.Conn, error){trouble, trouble}},
		downstream.Config{Handler: http.HandlerFunc(readAll), Complain: func(what string) { said <- what }})
	c := dial(t, r.addr)
	c.send(get)
	c.reply()
	for range 2 {
		if what := wait(t, said); !strings.Contains(what, "too many open files") {
			t.Errorf("the complaint is %q", what)
		}
	}
}

func TestAListenerThatFailsEndsServeAndNoConnection(t *testing.T) {
	t.Parallel()
	broken := errors.New("the network is gone")
	l := listen(t)
	fail := make(chan struct{})
	r := serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){
		l.Accept, func() (net.Conn, error) { <-fail; return nil, broken },
	}}, downstream.Config{Handler: http.HandlerFunc(readAll)})
	c := dial(t, r.addr)
	c.send(get)
	c.reply()
	close(fail)
	wait(t, r.over)
	if !errors.Is(r.err, broken) {
		t.Errorf("Serve gave %v", r.err)
	}
	c.send(get)
	c.reply()
}

func TestPanicsAreToldAndAbortsAreNot(t *testing.T) {
	t.Parallel()
	said := make(chan string, 2)
	r := serve(t, listen(t), downstream.Config{Complain: func(what string) { said <- what }, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		panic("a fault")
	})})
	for _, request := range []string{post(""), get} {
		c := dial(t, r.addr)
		c.send(request)
		c.ends()
		if request == get {
			want := "panic serving " + c.LocalAddr().String() + ": a fault\n"
			if what := wait(t, said); !strings.HasPrefix(what, want) || !strings.Contains(what, "goroutine ") {
				t.Errorf("it is told %q", what)
			}
		}
	}
	if len(said) > 0 {
		t.Errorf("it is told too: %q", <-said)
	}
}

// What cannot be watched has to be read, which net/http does.
func TestAConnectionThatIsNoSocketIsNetHTTPs(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	r := serve(t, &scripted{Listener: listen(t), steps: []func() (net.Conn, error){func() (net.Conn, error) { return far, nil }}},
		downstream.Config{Handler: http.HandlerFunc(readAll)})
	c := &client{Conn: near, t: t, read: bufio.NewReader(near)}
	defer func() { _ = near.Close() }()
	c.send(get)
	if reply, _ := c.reply(); reply.StatusCode != http.StatusOK || r.handed.Load() != 1 {
		t.Errorf("it got %s, and net/http %d connections", reply.Status, r.handed.Load())
	}
}

// A connection that was given away may come back, as out of a CONNECT.
func TestAConnectionGivenAwayIsServedAndWatchedAgain(t *testing.T) {
	t.Parallel()
	g := newGate()
	l := listen(t)
	server, err := downstream.New(downstream.Config{Handler: g})
	if err != nil {
		t.Fatal(err)
	}
	back := &handoff{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(back, func(c net.Conn, _ []byte) { _ = c.Close() }) })
	work.Go(func() {
		_ = server.Serve(l, func(c net.Conn, read []byte) {
			if !strings.HasPrefix(string(read), "CONNECT a:80") {
				t.Errorf("%q was read", read)
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			back.give(c)
		})
	})
	t.Cleanup(func() { _ = server.Close(); work.Wait() })
	c := dial(t, l.Addr().String())
	c.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
	if _, err := c.read.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.send(get)
	ctx := wait(t, g.entered)
	_ = c.Close()
	wait(t, ctx.Done())
}
