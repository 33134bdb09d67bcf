package filemode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// What a directory that is for nobody else, and what is in it, grants others.
const privateMask fs.FileMode = 0o077

// OpenPrivateDir opens a directory that is for this user alone, and makes it,
// mode 0700, if it is missing. One above it may be anybody's to write, as an
// emptyDir of Kubernetes is: a symbolic link is refused, and so is a directory
// that others may enter, or that belongs to somebody else.
func OpenPrivateDir(path string) (*os.Root, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fault(path, err)
	}
	seen, err := os.Lstat(path)
	if err != nil {
		return nil, fault(path, err)
	}
	if !seen.IsDir() {
		return nil, fault(path, errors.New("it is not a directory itself (symbolic links are refused)"))
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fault(path, err)
	}
	if err := checkOpened(root, seen); err != nil {
		_ = root.Close() // nothing was done with it
		return nil, fault(path, err)
	}
	return root, nil
}

// checkOpened judges the directory that was opened, which may be another than
// the one that was seen before.
func checkOpened(root *os.Root, seen fs.FileInfo) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(info, seen) {
		return errors.New("it was exchanged while it was opened")
	}
	return CheckPrivate(info)
}

// CheckPrivate says why a file or directory is not for this user alone.
func CheckPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&privateMask != 0 {
		return fmt.Errorf("mode %#o lets others in: chmod %#o it", mode, mode&^privateMask)
	}
	if uid, ours := owner(info); !ours {
		return fmt.Errorf("it belongs to the user %d: remove it, or run as that user", uid)
	}
	return nil
}
