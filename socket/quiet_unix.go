//go:build unix && !(linux && (amd64 || arm64))

package socket

import "syscall"

// CanTell says that Quiet can.
const CanTell = true

// Quiet reports whether a connection is open and has nothing to read. It asks the
// socket alone, whatever its deadlines are.
func Quiet(raw syscall.RawConn) bool {
	quiet := false
	err := raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	})
	return err == nil && quiet
}
