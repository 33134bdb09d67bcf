//go:build unix

package filemode

import (
	"io/fs"
	"os"
	"syscall"
)

// owner tells whose a file is, and whether that is who we are.
func owner(info fs.FileInfo) (uid int, ours bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, false // no file of a disk
	}
	return int(stat.Uid), int(stat.Uid) == os.Geteuid()
}
