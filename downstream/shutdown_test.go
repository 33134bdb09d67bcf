package downstream_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sealcar/downstream"
)

func TestConnectionsThatWaitAreClosedByShutdown(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(readAll)})
	used := dial(t, r.addr)
	used.send(get)
	used.reply()
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	used.ends()
	wait(t, r.over)
	if !errors.Is(r.err, http.ErrServerClosed) {
		t.Errorf("Serve gave %v", r.err)
	}
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("connections are taken still")
	}
}

// The request of a new connection may be on its way: closing that would reset it.
func TestNewConnectionsHaveAMomentAfterShutdown(t *testing.T) {
	t.Parallel()
	l := listen(t)
	accepted := make(chan *measured, 3)
	accept := func() (net.Conn, error) {
		c, err := l.Accept()
		m := &measured{Conn: c}
		accepted <- m
		return m, err
	}
	r := serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){accept, accept, accept}}, downstream.Config{Handler: http.HandlerFunc(readAll)})
	asks, waits := dial(t, r.addr), dial(t, r.addr)
	late := dial(t, r.addr) // once it is accepted, the others are held
	first := wait(t, accepted)
	for range 2 {
		wait(t, accepted)
	}
	_ = late.Close()
	r.begin()
	first.goesOn(t)
	asks.send(get)
	if reply, _ := asks.reply(); reply.StatusCode != http.StatusOK || !reply.Close {
		t.Errorf("it got %s, and the connection ends: %t", reply.Status, reply.Close)
	}
	asks.ends()
	waits.ends()
	if err := r.down(); err != nil {
		t.Error(err)
	}
}

// goesOn fails if the server has ended a read by a deadline in the past. What comes at
// once may be read all the same.
func (c *measured) goesOn(t *testing.T) {
	t.Helper()
	if slices.ContainsFunc(c.bounds(), func(minutes int) bool { return minutes < 0 }) {
		t.Error("nothing more is read from the connection")
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

// The deadline that ends a wait for a request would end one for its body, too.
func TestShutdownLetsBodiesCome(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 2)
	r, m, c := serveMeasured(t, downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		readAll(w, r)
	})})
	c.send(get)
	wait(t, entered)
	c.reply()
	c.send(strings.TrimSuffix(post("hello"), "o"))
	wait(t, entered)
	r.begin()
	m.goesOn(t)
	c.send("o")
	if _, body := c.reply(); body != "5 bytes, <nil>" {
		t.Errorf("what came is %s", body)
	}
	c.ends()
	if err := r.down(); err != nil {
		t.Error(err)
	}
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
	c.send(get + get) // the other one is not served any more
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
	go func() { served <- r.Serve(l, &http.Server{}) }()
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
	accepted, down := make(chan *measured, 1), make(chan struct{})
	r := serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){func() (net.Conn, error) {
		c, err := l.Accept()
		m := &measured{Conn: c}
		accepted <- m
		<-down
		return m, err
	}}}, downstream.Config{Handler: http.HandlerFunc(readAll)})
	c := dial(t, r.addr)
	m := wait(t, accepted)
	if err := r.down(); err != nil {
		t.Fatal(err)
	}
	close(down)
	c.ends()
	if waited := m.bounds(); len(waited) > 0 {
		t.Error("a request is waited for, which Shutdown knows nothing of")
	}
	wait(t, r.over)
}
