package enclave

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sealcar/filemode"
)

// maxStateFile bounds what is read of a file; the largest that is written is
// a key with two certificates, some 2 KiB.
const maxStateFile = 64 << 10

// The modes of what is kept.
const (
	modePrivate fs.FileMode = 0o600
	modePublic  fs.FileMode = 0o644
)

// stateDir is the directory that keeps an enclave's secrets over restarts.
type stateDir struct {
	path string // for messages
	root *os.Root
}

// openStateDir opens path, made if it is missing.
func openStateDir(path string) (*stateDir, error) {
	if path == "" {
		return nil, errors.New("state directory: none is given")
	}
	root, err := filemode.OpenPrivateDir(path)
	if err != nil {
		return nil, fmt.Errorf("state directory %w", err)
	}
	return &stateDir{path: path, root: root}, nil
}

func (d *stateDir) close() { _ = d.root.Close() } // nothing is written through it

// read gives the content of a private file. A missing one is fs.ErrNotExist; one
// that others can read, or that is no regular file, is refused.
func (d *stateDir) read(name string) ([]byte, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, d.fault("reading", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, d.fault("reading", name, errors.New("it is not a regular file (symbolic links are refused)"))
	}
	if err := filemode.CheckPrivate(info); err != nil {
		return nil, d.fault("reading", name, fmt.Errorf("%w, and think about replacing it", err))
	}
	if info.Size() > maxStateFile {
		return nil, d.fault("reading", name, fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxStateFile))
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, d.fault("reading", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStateFile))
	if err != nil {
		return nil, d.fault("reading", name, err)
	}
	return data, nil
}

// readOrCreate gives the content of a private file, which it makes if it is
// missing. Of two enclaves that start at once on the same directory one makes
// it, and both get the same.
func (d *stateDir) readOrCreate(name string, content func() ([]byte, error)) ([]byte, error) {
	data, err := d.read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = content(); err != nil {
		return nil, err
	}
	err = d.write(name, data, modePrivate, d.root.Link) // unlike a rename, a link never replaces
	if errors.Is(err, fs.ErrExist) {
		return d.read(name)
	}
	return data, err
}

// replace writes a file whole or not at all.
func (d *stateDir) replace(name string, data []byte, mode fs.FileMode) error {
	return d.write(name, data, mode, d.root.Rename)
}

// write fills a new file beside name and then publishes it under that name.
func (d *stateDir) write(name string, data []byte, mode fs.FileMode, publish func(from, to string) error) error {
	temporary := "." + name + "." + rand.Text()
	f, err := d.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return d.fault("writing", name, err)
	}
	defer func() { _ = d.root.Remove(temporary) }() // gone already after a rename
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = publish(temporary, name)
	}
	if err != nil {
		return d.fault("writing", name, err)
	}
	return nil
}

func (d *stateDir) fault(doing, name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // the path is said already
	}
	return fmt.Errorf("%s %q: %w", doing, filepath.Join(d.path, name), err)
}
