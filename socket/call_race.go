//go:build linux && (amd64 || arm64) && race

package socket

import (
	"errors"
	"syscall"
)

// The race detector takes what is written before it is read for an order, if
// package syscall does both: tests talk to servers of their own process.

func read(fd uintptr, p []byte) (int, syscall.Errno)  { return call(syscall.Read, fd, p) }
func write(fd uintptr, p []byte) (int, syscall.Errno) { return call(syscall.Write, fd, p) }

func call(system func(fd int, p []byte) (int, error), fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, err := system(int(fd), p)
		number, _ := errors.AsType[syscall.Errno](err)
		if number != syscall.EINTR {
			return max(n, 0), number
		}
	}
}
