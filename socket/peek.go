//go:build linux && (amd64 || arm64)

package socket

import (
	"syscall"
	"unsafe"
)

// peek looks for a byte to read and leaves it there.
func peek(fd uintptr) syscall.Errno {
	var one [1]byte
	_, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&one[0])), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0) //nolint:gosec // as package syscall does it
	return err
}
