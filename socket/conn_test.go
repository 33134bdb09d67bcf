//go:build linux && (amd64 || arm64)

package socket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"sealcar/socket"
)

// pair are the two ends of a connection over loopback.
func pair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialled.Close(); _ = accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func direct(t testing.TB, c net.Conn) *socket.Conn {
	t.Helper()
	d, ok := socket.Direct(c).(*socket.Conn)
	if !ok {
		t.Fatalf("%T is left to package net", c)
	}
	return d
}

// What every net.Conn promises: deadlines, concurrent reads, writes and closes,
// and what they end with.
func TestConnDoesWhatEveryConnectionDoes(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		near, far := pair(t)
		return direct(t, near), direct(t, far), func() { _ = near.Close(); _ = far.Close() }, nil
	})
}

func TestErrorsAreThoseOfATCPConn(t *testing.T) {
	t.Parallel()
	past := time.Unix(1, 0)
	cases := map[string]struct {
		prepare func(near, far *net.TCPConn)
		do      func(net.Conn) (int, error)
	}{
		"read after the end":       {func(_, far *net.TCPConn) { _ = far.Close() }, readOne},
		"read after a reset":       {func(_, far *net.TCPConn) { _ = far.SetLinger(0); _ = far.Close() }, readOne},
		"read after Close":         {func(near, _ *net.TCPConn) { _ = near.Close() }, readOne},
		"read after the deadline":  {func(near, _ *net.TCPConn) { _ = near.SetDeadline(past) }, readOne},
		"read of nothing":          {func(_, _ *net.TCPConn) {}, func(c net.Conn) (int, error) { return c.Read(nil) }},
		"write of nothing":         {func(_, _ *net.TCPConn) {}, func(c net.Conn) (int, error) { return c.Write(nil) }},
		"write after Close":        {func(near, _ *net.TCPConn) { _ = near.Close() }, writeOne},
		"write after CloseWrite":   {func(near, _ *net.TCPConn) { _ = near.CloseWrite() }, writeOne},
		"write after the deadline": {func(near, _ *net.TCPConn) { _ = near.SetDeadline(past) }, writeOne},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcome := func(wrap func(net.Conn) net.Conn) (int, error) {
				near, far := pair(t)
				c.prepare(near, far)
				return c.do(wrap(near))
			}
			wantN, want := outcome(func(c net.Conn) net.Conn { return c })
			n, err := outcome(socket.Direct)
			if n != wantN || !sameError(err, want) {
				t.Errorf("gave %d and %v, a *net.TCPConn %d and %v", n, err, wantN, want)
			}
		})
	}
}

func readOne(c net.Conn) (int, error)  { return c.Read(make([]byte, 1)) }
func writeOne(c net.Conn) (int, error) { return c.Write([]byte("x")) }

// sameError compares all but the addresses.
func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if errors.Is(a, io.EOF) || errors.Is(b, io.EOF) {
		return errors.Is(a, io.EOF) && errors.Is(b, io.EOF)
	}
	x, y := new(net.OpError), new(net.OpError)
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return false
	}
	return x.Op == y.Op && x.Net == y.Net && x.Err.Error() == y.Err.Error() && x.Timeout() == y.Timeout() &&
		errors.Is(a, os.ErrDeadlineExceeded) == errors.Is(b, os.ErrDeadlineExceeded) &&
		errors.Is(a, net.ErrClosed) == errors.Is(b, net.ErrClosed) &&
		errors.Is(a, syscall.ECONNRESET) == errors.Is(b, syscall.ECONNRESET)
}

// A socket takes part of a long write; the rest follows when there is room.
func TestWritesGoOnWhenThereIsRoomAgain(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	if err := near.SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	c := direct(t, near)
	var sent bytes.Buffer
	var work sync.WaitGroup
	work.Go(func() {
		for i := range 64 {
			piece := bytes.Repeat([]byte{byte(i)}, socket.Large-1)
			sent.Write(piece)
			if n, err := c.Write(piece); n != len(piece) || err != nil {
				t.Errorf("wrote %d of %d: %v", n, len(piece), err)
			}
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(direct(t, far))
	work.Wait()
	if err != nil || !bytes.Equal(got, sent.Bytes()) {
		t.Errorf("%d of %d bytes came, or others: %v", len(got), sent.Len(), err)
	}
}

func TestLargePiecesPass(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	want := bytes.Repeat([]byte("large"), socket.Large)
	var work sync.WaitGroup
	work.Go(func() {
		if n, err := direct(t, near).Write(want); n != len(want) || err != nil {
			t.Errorf("wrote %d: %v", n, err)
		}
	})
	got := make([]byte, len(want))
	_, err := io.ReadFull(direct(t, far), got)
	work.Wait()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes came: %v", err)
	}
}

func TestReadsAndWritesMakeNoGarbage(t *testing.T) {
	near, far := pair(t)
	a, b := direct(t, near), direct(t, far)
	piece, room := []byte("data: {}\n\n"), make([]byte, 4<<10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.Write(piece); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(room); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a write and a read, want none", n)
	}
}

func TestOtherConnectionsAreLeftAlone(t *testing.T) {
	t.Parallel()
	c, d := net.Pipe()
	defer func() { _ = c.Close(); _ = d.Close() }()
	if socket.Direct(c) != c {
		t.Error("a pipe was wrapped")
	}
}

func TestQuietTellsAnIdleConnection(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(near, far *net.TCPConn)
		want    bool
	}{
		"nothing came":             {func(_, _ *net.TCPConn) {}, true},
		"the deadline is over":     {func(near, _ *net.TCPConn) { _ = near.SetReadDeadline(time.Unix(1, 0)) }, true},
		"a byte came":              {func(near, far *net.TCPConn) { _, _ = far.Write([]byte("x")); await(near) }, false},
		"the other end has closed": {func(near, far *net.TCPConn) { _ = far.Close(); await(near) }, false},
		"it is closed":             {func(near, _ *net.TCPConn) { _ = near.Close() }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := pair(t)
			raw, err := near.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			c.prepare(near, far)
			if got := socket.Quiet(raw); got != c.want {
				t.Errorf("quiet: %t, want %t", got, c.want)
			}
		})
	}
}

// await waits until there is something to read, and leaves it there.
func await(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { return !socket.Quiet(raw) })
}
