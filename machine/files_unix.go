//go:build unix

package machine

import (
	"math"
	"syscall"
)

// descriptors is RLIMIT_NOFILE, which the Go runtime has raised as far as it may;
// 0 if it is not known or has no end.
func descriptors() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= math.MaxInt64 {
		return 0
	}
	return int64(limit.Cur)
}
