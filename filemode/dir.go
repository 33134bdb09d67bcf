package filemode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// What a directory or file that is for nobody else grants others.
const privateMask fs.FileMode = 0o077

// Dir is a directory in which we keep files of our own. No name leads out of it.
type Dir struct{ root *os.Root }

// OpenDir opens a directory that others may use too: what is read of it is
// judged by itself.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fault(path, err)
	}
	return &Dir{root: root}, nil
}

// OpenPrivateDir opens a directory that is for this user alone, and makes it,
// mode 0700, if it is missing. One above it may be anybody's to write, as an
// emptyDir of Kubernetes is: a symbolic link is refused, and so is a directory
// that others may enter, or that belongs to somebody else.
func OpenPrivateDir(path string) (*Dir, error) {
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
	d, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	if err := checkOpened(d.root, seen); err != nil {
		d.Close()
		return nil, fault(path, err)
	}
	return d, nil
}

// Close gives the directory back; files are written through by then.
func (d *Dir) Close() { _ = d.root.Close() }

var errExchanged = errors.New("it was exchanged while it was opened")

// checkOpened judges the directory that was opened, which may be another than
// the one that was seen before.
func checkOpened(root *os.Root, seen fs.FileInfo) error {
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(info, seen) {
		return errExchanged
	}
	return checkPrivate(info)
}

// checkPrivate says why a file or directory is not for this user alone.
func checkPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&privateMask != 0 {
		return fmt.Errorf("mode %#o lets others in: chmod %#o it, and think about replacing what they saw", mode, mode&^privateMask)
	}
	if uid, ours := owner(info); !ours {
		return fmt.Errorf("it belongs to the user %d: remove it, or run as that user", uid)
	}
	return nil
}
