//go:build !unix

package socket

import "syscall"

// CanTell says that Quiet cannot.
const CanTell = false

// Quiet says no.
func Quiet(syscall.RawConn) bool { return false }
