//go:build unix

package proxy

import (
	"fmt"
	"os"
	"syscall"
)

// lockDir locks a directory against other processes that do so too. The lock is
// on the directory itself, so it needs no file and no write permission, and it
// ends with the process.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("flock: %w", err)
	}
	return func() { _ = d.Close() }, nil // closing unlocks
}
