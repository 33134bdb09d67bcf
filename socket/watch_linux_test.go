//go:build amd64 || arm64

package socket_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/socket"
)

func newWatcher(t *testing.T) *socket.Watcher {
	t.Helper()
	w, err := socket.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// calls counts what a watcher tells of one connection.
type calls struct {
	n     atomic.Int32
	first chan struct{}
	stop  func()
}

func watch(t *testing.T, w *socket.Watcher, c net.Conn) *calls {
	t.Helper()
	told := &calls{first: make(chan struct{})}
	var err error
	told.stop, err = w.Watch(c, func() {
		if told.n.Add(1) == 1 {
			close(told.first)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func (c *calls) await(t *testing.T) {
	t.Helper()
	select {
	case <-c.first:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
	}
}

// settle returns when what had happened before has been told: another connection, which
// ends now, is told of behind it.
func settle(t *testing.T, w *socket.Watcher) {
	t.Helper()
	for range 2 { // the first end may be in one batch with what is asked about, before it
		near, far := pair(t)
		last := watch(t, w, near)
		_ = far.Close()
		last.await(t)
	}
}

func TestTheEndOfAConnectionIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(far *net.TCPConn){
		"a close":         func(far *net.TCPConn) { _ = far.Close() },
		"a reset":         func(far *net.TCPConn) { _ = far.SetLinger(0); _ = far.Close() },
		"half a close":    func(far *net.TCPConn) { _ = far.CloseWrite() },
		"half, then all":  func(far *net.TCPConn) { _ = far.CloseWrite(); _ = far.Close() },
		"half, then data": func(far *net.TCPConn) { _, _ = far.Write([]byte("x")); _ = far.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatcher(t)
			near, far := pair(t)
			told := watch(t, w, near)
			end(far)
			told.await(t)
			_ = far.Close()
			settle(t, w)
			if n := told.n.Load(); n != 1 {
				t.Errorf("it was told %d times", n)
			}
			if n := w.Watched(); n != 0 {
				t.Errorf("%d connections are watched still", n)
			}
			told.stop()
		})
	}
}

func TestAnEndBeforeWatchingIsTold(t *testing.T) {
	t.Parallel()
	w := newWatcher(t)
	near, far := pair(t)
	_ = far.Close()
	await(near)
	watch(t, w, near).await(t)
}

func TestOtherThanAnEndIsNotTold(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(near, far *net.TCPConn){
		"nothing":          func(_, _ *net.TCPConn) {},
		"data":             func(near, far *net.TCPConn) { _, _ = far.Write([]byte("x")); await(near) },
		"data there":       func(near, _ *net.TCPConn) { _, _ = near.Write([]byte("x")) },
		"our half's close": func(near, far *net.TCPConn) { _ = near.CloseWrite(); await(far) },
		"our deadline":     func(near, _ *net.TCPConn) { _ = near.SetDeadline(time.Unix(1, 0)) },
		"our close":        func(near, _ *net.TCPConn) { _ = near.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatcher(t)
			near, far := pair(t)
			told := watch(t, w, near)
			do(near, far)
			settle(t, w)
			if n := told.n.Load(); n != 0 {
				t.Errorf("it was told %d times", n)
			}
			told.stop()
			if n := w.Watched(); n != 0 {
				t.Errorf("%d connections are watched still", n)
			}
		})
	}
}

func TestNothingIsToldAfterStop(t *testing.T) {
	t.Parallel()
	w := newWatcher(t)
	near, far := pair(t)
	told := watch(t, w, near)
	told.stop()
	told.stop()
	_ = far.Close()
	settle(t, w)
	if n := told.n.Load(); n != 0 {
		t.Errorf("it was told %d times", n)
	}
}

// A connection that was given away is somebody else's, who may watch it.
func TestAConnectionCanBeWatchedAgain(t *testing.T) {
	t.Parallel()
	w := newWatcher(t)
	near, far := pair(t)
	first := watch(t, w, near)
	if _, err := w.Watch(near, func() {}); err == nil {
		t.Error("it was watched twice at a time")
	}
	first.stop()
	again := watch(t, w, near)
	_ = far.Close()
	again.await(t)
	if n := first.n.Load(); n != 0 {
		t.Errorf("who had stopped was told %d times", n)
	}
}

// A descriptor is free for the next connection as soon as one is closed, before
// anybody has stopped watching that one.
func TestTheNextConnectionOfADescriptorIsAnotherOne(t *testing.T) { // nothing parallel: no other test may take the descriptor
	w := newWatcher(t)
	near, far := pair(t)
	number := descriptor(t, near)
	old := watch(t, w, near)
	_ = near.Close()
	_ = far.Close()
	var next *net.TCPConn
	var end func()
	for range 100 {
		a, b := pair(t)
		if descriptor(t, a) == number {
			next, end = a, func() { _ = b.Close() }
		} else if descriptor(t, b) == number {
			next, end = b, func() { _ = a.Close() }
		}
		if next != nil {
			break
		}
	}
	if next == nil {
		t.Fatal("no connection got the descriptor")
	}
	told := watch(t, w, next)
	old.stop() // late: it must not stop the other one
	end()
	told.await(t)
	settle(t, w)
	if n := old.n.Load(); n != 0 {
		t.Errorf("the old connection was told %d times", n)
	}
}

func descriptor(t *testing.T, c *net.TCPConn) (number uintptr) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { number = fd })
	}
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func TestAClosedWatcherTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWatcher(t)
	near, far := pair(t)
	told := watch(t, w, near)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	await(near)
	if n := told.n.Load(); n != 0 {
		t.Errorf("it was told %d times", n)
	}
	told.stop()
	if _, err := w.Watch(near, func() {}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("watching gave %v, want %v", err, os.ErrClosed)
	}
	if n := w.Watched(); n != 0 {
		t.Errorf("%d connections are watched", n)
	}
}

// Watch may be called while the watcher is being closed, and its goroutine ends.
func TestAWatcherIsClosedWhileItIsUsed(t *testing.T) {
	t.Parallel()
	for range 20 {
		w := newWatcher(t)
		near, _ := pair(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if stop, err := w.Watch(near, func() {}); err == nil {
				stop()
			}
		}()
		_ = w.Close()
		<-done
	}
}

func TestLayersOverTCPAreWatched(t *testing.T) {
	t.Parallel()
	for name, layer := range map[string]func(net.Conn) net.Conn{
		"direct":   socket.Direct,
		"TLS":      func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{}) },
		"TLS upon": func(c net.Conn) net.Conn { return tls.Server(socket.Direct(c), &tls.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatcher(t)
			near, far := pair(t)
			told := watch(t, w, layer(near))
			_ = far.Close()
			told.await(t)
		})
	}
}

func TestWhatIsNoConnectionOfTCPIsNotWatched(t *testing.T) {
	t.Parallel()
	w := newWatcher(t)
	pipe, other := net.Pipe()
	t.Cleanup(func() { _ = pipe.Close(); _ = other.Close() })
	closed, _ := pair(t)
	_ = closed.Close()
	for name, c := range map[string]net.Conn{"a pipe": pipe, "TLS on a pipe": tls.Server(pipe, &tls.Config{}), "a closed connection": closed} {
		if _, err := w.Watch(c, func() {}); err == nil {
			t.Errorf("%s is watched", name)
		}
	}
	if n := w.Watched(); n != 0 {
		t.Errorf("%d connections are watched", n)
	}
}
