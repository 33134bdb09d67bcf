//go:build unix

package socket

import "syscall"

// CanTellQuiet says that Quiet knows.
const CanTellQuiet = true

// Quiet reports whether a connection is open and has nothing to read. It asks the
// socket alone, whatever its deadlines are.
func Quiet(raw syscall.RawConn) bool {
	quiet := false
	err := raw.Control(func(fd uintptr) { quiet = peek(fd) == syscall.EAGAIN })
	return err == nil && quiet
}
