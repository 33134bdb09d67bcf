//go:build unix

package hardening

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DenyCores sets RLIMIT_CORE to 0, soft and hard: no core file of this process
// and of the children that it starts from now on, and no way back for them.
func DenyCores() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("setting RLIMIT_CORE to 0: %w", err)
	}
	return nil
}
