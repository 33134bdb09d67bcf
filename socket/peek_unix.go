//go:build unix && !(linux && (amd64 || arm64))

package socket

import (
	"errors"
	"syscall"
)

// peek looks for a byte to read and leaves it there.
func peek(fd uintptr) syscall.Errno {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	number, _ := errors.AsType[syscall.Errno](err)
	return number
}
