package filemode

import (
	"os"

	"golang.org/x/sys/unix"
)

// flagReadOnly is ST_RDONLY of statfs(2), which x/sys lacks.
const flagReadOnly = 1

// mountOf tells what an open file lies on. What cannot be learnt counts as an
// ordinary disk, where the modes decide.
func mountOf(f *os.File) mount {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return mount{}
	}
	kind := uint32(fs.Type) //nolint:gosec // its width differs between machines, the magic numbers have 32 bits
	return mount{
		readOnly: fs.Flags&flagReadOnly != 0,
		inMemory: kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC,
	}
}
