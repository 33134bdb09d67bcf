package hardening

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// HideMemory makes the process not dumpable: other processes of its user can
// neither attach to it nor read /proc/PID/mem, environ and the like, and no
// signal makes the kernel write a core, whatever RLIMIT_CORE, core_pattern and
// GOTRACEBACK say. execve(2) ends it, so children are as they always were.
//
// It fails only where a seccomp filter denies the call.
func HideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process not dumpable: prctl: %w", err)
	}
	return nil
}
