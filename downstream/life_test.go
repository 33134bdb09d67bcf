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
