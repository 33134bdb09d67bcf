package downstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sealcar/downstream"
)

// measured is a connection that notes the deadlines that its server sets for reading,
// and counts what it reads.
type measured struct {
	net.Conn
	mu        sync.Mutex
	deadlines []time.Time
	taken     int64
}

func (c *measured) NetConn() net.Conn { return c.Conn }

func (c *measured) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c *measured) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadlines = append(c.deadlines, t)
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

func (c *measured) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.taken += int64(n)
	c.mu.Unlock()
	return n, err
}

// bounds are those deadlines, as the whole minutes until them; 0 means none.
func (c *measured) bounds() (minutes []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.deadlines {
		bound := 0
		if !at.IsZero() {
			bound = int(time.Until(at).Round(time.Minute) / time.Minute)
		}
		minutes = append(minutes, bound)
	}
	return minutes
}

// waitsNoLonger fails unless the last deadline comes that soon.
func (c *measured) waitsNoLonger(t *testing.T, most time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := c.deadlines[len(c.deadlines)-1]; last.IsZero() || time.Until(last) > most {
		t.Errorf("it is waited for until %v", last)
	}
}

// serveMeasured serves one connection, which it measures.
func serveMeasured(t *testing.T, c downstream.Config) (*rig, *measured, *client) {
	t.Helper()
	l := listen(t)
	accepted := make(chan *measured, 1)
	r := serve(t, &scripted{Listener: l, steps: []func() (net.Conn, error){func() (net.Conn, error) {
		raw, err := l.Accept()
		if err != nil {
			return nil, err
		}
		m := &measured{Conn: raw}
		accepted <- m
		return m, nil
	}}}, c)
	far := dial(t, r.addr)
	return r, wait(t, accepted), far
}

func TestWaitingForRequestsIsBounded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, further time.Duration
		want           []int
	}{
		"both":       {time.Hour, 2 * time.Hour, []int{60, 0, 120}},
		"no bound":   {0, 0, []int{0, 0, 0}},
		"only first": {time.Hour, 0, []int{60, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered := make(chan struct{}, 1)
			_, m, c := serveMeasured(t, downstream.Config{ReadHeaderTimeout: test.first, IdleTimeout: test.further, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				entered <- struct{}{}
				readAll(w, r)
			})})
			c.send(strings.TrimSuffix(post("hello"), "hello"))
			wait(t, entered)
			c.send("hello") // a body has no bound
			c.reply()
			c.send(get) // so that it has waited for it
			wait(t, entered)
			c.reply()
			if got := m.bounds()[:3]; !slices.Equal(got, test.want) {
				t.Errorf("waited %v minutes at most, want %v", got, test.want)
			}
		})
	}
}

func TestConnectionsWithoutARequestAreClosed(t *testing.T) {
	t.Parallel()
	config := downstream.Config{Handler: http.HandlerFunc(readAll), ReadHeaderTimeout: time.Millisecond, IdleTimeout: patience}
	dial(t, serve(t, listen(t), config).addr).ends()
	config.ReadHeaderTimeout, config.IdleTimeout = patience, time.Millisecond
	c := dial(t, serve(t, listen(t), config).addr)
	c.send(get)
	c.reply()
	c.ends()
}

// What a connection was given for its first head is not given again by net/http.
func TestAFirstHeadInPiecesHasOneBound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before string
		want   []int
	}{
		"of the first request": {"", []int{60, 60, 0}},
		"of a further request": {get, []int{60, 120, 10 * 60, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, m, c := serveMeasured(t, downstream.Config{ReadHeaderTimeout: time.Hour, IdleTimeout: 2 * time.Hour, Handler: http.HandlerFunc(readAll)})
			r.other.ReadHeaderTimeout = 10 * time.Hour
			if test.before != "" {
				c.send(test.before)
				c.reply()
			}
			c.send("HEAD / HTTP/1.1\r\n")
			wait(t, r.gave)
			c.send("Host: a\r\n\r\n")
			_, _ = http.ReadResponse(c.read, &http.Request{Method: http.MethodHead})
			if got := m.bounds(); len(got) < len(test.want) || !slices.Equal(got[:len(test.want)], test.want) {
				t.Errorf("waited %v minutes at most, want %v", got, test.want)
			}
		})
	}
}

// A body whose end never came is an error for as long as it is read: net/http says once
// that it was cut, and then that it is complete.
func TestABodyThatWasCutStaysSo(t *testing.T) {
	t.Parallel()
	errs := make(chan error, 2)
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 2 {
			_, err := io.Copy(io.Discard, r.Body)
			errs <- err
		}
	})})
	c := dial(t, r.addr)
	c.send(strings.TrimSuffix(post("hello"), "o"))
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	for range 2 {
		if err := wait(t, errs); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the body ends with %v", err)
		}
	}
}

// A client that does not send its body in the time that the handler has given it is as
// good as gone, and so is one that is reset.
func TestARequestIsCancelledWhenItsBodyDoesNotCome(t *testing.T) {
	t.Parallel()
	errs := make(chan error, 1)
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		_, _ = io.Copy(io.Discard, r.Body)
		errs <- r.Context().Err()
	})})
	dial(t, r.addr).send(strings.TrimSuffix(post("hello"), "o"))
	if err := wait(t, errs); !errors.Is(err, context.Canceled) {
		t.Errorf("the context says %v", err)
	}
}

// The client could send the rest later, but the connection's context has ended.
func TestABodyThatFailedEndsItsConnection(t *testing.T) {
	t.Parallel()
	r := serve(t, listen(t), downstream.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.Flush() // so that the reply cannot say that it is the last one
		_ = c.SetReadDeadline(time.Unix(1, 0))
		_, _ = io.Copy(io.Discard, r.Body)
	})})
	c := dial(t, r.addr)
	c.send(strings.TrimSuffix(post("hello"), "o"))
	c.reply()
	_, _ = io.WriteString(c, "o"+get) // the server may have closed
	c.ends()
}
