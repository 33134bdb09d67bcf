package downstream_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"sealcar/downstream"
)

// told is a connection that tells of each read before it begins.
type told struct {
	net.Conn
	reads chan struct{}
}

func (c told) NetConn() net.Conn { return c.Conn }

func (c told) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c told) Read(p []byte) (int, error) {
	c.reads <- struct{}{}
	return c.Conn.Read(p)
}

// A transport may wait for a body that its upstream has refused already.
func TestAReplyNeedNotWaitForItsRequest(t *testing.T) {
	t.Parallel()
	reads, ended := make(chan struct{}, 10), make(chan error, 1)
	l := listen(t)
	accept := func() (net.Conn, error) {
		c, err := l.Accept()
		return told{c, reads}, err
	}
	r := serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){accept}}, downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		go func() {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		}()
		wait(t, reads) // of the head
		wait(t, reads) // of the rest of the body, which does not come
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		w.WriteHeader(http.StatusUnauthorized)
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
	})})
	c := dial(t, r.addr)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhell")
	if reply, err := http.ReadResponse(c.read, nil); err != nil || reply.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the reply is %v, %v", reply, err)
	}
	if err := wait(t, ended); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) { // once the handler has returned
		t.Errorf("reading ended with %v", err)
	}
	if _, err := io.ReadAll(c.read); err != nil {
		t.Errorf("the connection ended with %v", err)
	}
}
