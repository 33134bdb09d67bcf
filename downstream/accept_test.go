package downstream_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sealcar/downstream"
)

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
	back := downstream.NewHandoff()
	other := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil || r.Method != http.MethodConnect {
			t.Errorf("%s: %v", r.Method, err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		back.Give(c)
	})}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(back, &http.Server{}) })
	work.Go(func() { _ = server.Serve(l, other) })
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
