package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// Watcher tells of connections that the other end has ended, without reading them.
// Safe for concurrent use.
type Watcher struct {
	set  *os.File // an epoll instance (epoll(7)), itself watched by Go's poller
	raw  syscall.RawConn
	work sync.WaitGroup

	mu     sync.Mutex        // guards what follows
	told   map[uint64]func() // by the numbers that their events bear
	last   uint64            // of those numbers
	closed bool
}

// NewWatcher makes a watcher. Its goroutine starts with the first Watch and ends with
// Close.
func NewWatcher() (*Watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that os leaves it to the poller
		return nil, errors.Join(os.NewSyscallError("fcntl", err), syscall.Close(fd))
	}
	w := &Watcher{set: os.NewFile(uintptr(fd), "epoll"), told: map[uint64]func(){}}
	if w.raw, err = w.set.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("watching: %w", err), w.set.Close())
	}
	return w, nil
}

// Watch calls gone, once, when the other end of c has said that it sends no more,
// or the connection has failed. gone must not block. A connection without a TCP
// connection below it cannot be watched.
func (w *Watcher) Watch(c net.Conn, gone func()) (stop func(), err error) {
	raw, err := below(c)
	if err != nil {
		return nil, err
	}
	number, err := w.remember(gone)
	if err != nil {
		return nil, err
	}
	// The number takes the place of the descriptor, which may be another connection's
	// by the time that an event is read.
	event := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(uint32(number)), Pad: int32(uint32(number >> 32))} //nolint:gosec // its two halves
	if err := w.control(raw, syscall.EPOLL_CTL_ADD, &event); err != nil {
		w.forget(number)
		return nil, fmt.Errorf("watching a connection: %w", err)
	}
	return func() {
		w.forget(number)
		_ = w.control(raw, syscall.EPOLL_CTL_DEL, &event) // fails for what is closed, and so out of the set
	}, nil
}

// control changes what the set knows of a connection.
func (w *Watcher) control(of syscall.RawConn, op int, event *syscall.EpollEvent) error {
	var failed error
	err := of.Control(func(fd uintptr) {
		inner := w.raw.Control(func(own uintptr) {
			failed = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(int(own), op, int(fd), event))
		})
		failed = errors.Join(failed, inner)
	})
	return errors.Join(err, failed)
}

func (w *Watcher) remember(gone func()) (number uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, fmt.Errorf("watching a connection: %w", os.ErrClosed)
	}
	if w.last == 0 {
		w.work.Go(w.run)
	}
	w.last++
	w.told[w.last] = gone
	return w.last, nil
}

func (w *Watcher) forget(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.told, number)
}

// below is the TCP connection that c is or is made of.
func below(c net.Conn) (syscall.RawConn, error) {
	for {
		switch layer := c.(type) {
		case *net.TCPConn:
			return layer.SyscallConn()
		case interface{ NetConn() net.Conn }:
			c = layer.NetConn()
		default:
			return nil, fmt.Errorf("%T: %w", c, ErrNoTCP)
		}
	}
}

// run tells those whose connections have ended.
func (w *Watcher) run() {
	var events [64]syscall.EpollEvent
	for {
		n := 0
		err := w.raw.Read(func(fd uintptr) bool {
			for {
				var err error
				if n, err = syscall.EpollWait(int(fd), events[:], 0); err != syscall.EINTR {
					return n > 0
				}
			}
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			w.tell(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32) //nolint:gosec // the two halves
		}
	}
}

func (w *Watcher) tell(number uint64) {
	w.mu.Lock()
	gone, ok := w.told[number]
	delete(w.told, number)
	w.mu.Unlock()
	if ok {
		gone()
	}
}

// Close ends watching. Who is watched still is told nothing any more.
func (w *Watcher) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	err := w.set.Close()
	w.work.Wait()
	return err
}
