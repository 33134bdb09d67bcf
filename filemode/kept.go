package filemode

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// TempSuffix ends the names of files that are being written. One that is there
// longer was left by a crash.
const TempSuffix = ".tmp"

// Read gives a file that is for this user alone, whole. A missing one is
// fs.ErrNotExist; a symbolic link, what is no regular file, what others may use
// or own, and more than limit bytes are refused.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	text, err := d.read(name, limit, checkPrivate)
	if err != nil {
		return nil, d.fault(name, err)
	}
	return text, nil
}

// Holds tells whether a file has this content already, be it for everybody.
func (d *Dir) Holds(name string, content []byte) bool {
	anybody := func(fs.FileInfo) error { return nil }
	text, err := d.read(name, int64(len(content)), anybody)
	return err == nil && bytes.Equal(text, content)
}

// read judges the file that it has opened, which may be another than the one that
// was seen before. It does not wait for the writer of a pipe.
func (d *Dir) read(name string, limit int64, check func(fs.FileInfo) error) ([]byte, error) {
	seen, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file (%s)", seen.Mode().Type())
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(info, seen) {
		return nil, errExchanged
	}
	if err := check(info); err != nil {
		return nil, err
	}
	return readAtMost(f, limit)
}

// Replace writes a file, whole or not at all: who reads it meanwhile, or after a
// crash, sees the old or the new one. The mode is as given, whatever the umask.
func (d *Dir) Replace(name string, content []byte, mode fs.FileMode) error {
	return d.write(name, content, mode, d.root.Rename)
}

// Create is Replace for a file that must not be there: then it is fs.ErrExist.
func (d *Dir) Create(name string, content []byte, mode fs.FileMode) error {
	return d.write(name, content, mode, d.root.Link) // unlike a rename, a link never replaces
}

// write fills a new file beside name and then publishes it under that name.
func (d *Dir) write(name string, content []byte, mode fs.FileMode, publish func(from, to string) error) error {
	temp := name + "." + rand.Text() + TempSuffix
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return d.fault(name, err)
	}
	defer func() { _ = d.root.Remove(temp) }() // gone already after a rename
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = publish(temp, name)
	}
	if err != nil {
		return d.fault(name, err)
	}
	return nil
}

// Remove takes a file away; a missing one is no error.
func (d *Dir) Remove(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.fault(name, err)
	}
	return nil
}

// Files tells what is in the directory, without what goes away meanwhile.
func (d *Dir) Files() ([]fs.FileInfo, error) {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, fault(d.root.Name(), err)
	}
	files := make([]fs.FileInfo, 0, len(entries))
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, d.fault(entry.Name(), err)
		}
		files = append(files, info)
	}
	return files, nil
}

func (d *Dir) fault(name string, err error) error { return fault(d.Path(name), err) }

// Path is a file's name for messages.
func (d *Dir) Path(name string) string { return filepath.Join(d.root.Name(), name) }

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("it is over %d bytes", limit)
	}
	return text, nil
}
