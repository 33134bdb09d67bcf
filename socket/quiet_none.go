//go:build !unix

package socket

import "syscall"

// CanTellQuiet says that Quiet does not know.
const CanTellQuiet = false

// Quiet says no.
func Quiet(syscall.RawConn) bool { return false }
