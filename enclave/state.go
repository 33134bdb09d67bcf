package enclave

import (
	"errors"
	"fmt"
	"io/fs"

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
type stateDir struct{ *filemode.Dir }

// openStateDir opens path, made if it is missing.
func openStateDir(path string) (*stateDir, error) {
	if path == "" {
		return nil, errors.New("state directory: none is given")
	}
	dir, err := filemode.OpenPrivateDir(path)
	if err != nil {
		return nil, fmt.Errorf("state directory %w", err)
	}
	return &stateDir{dir}, nil
}

// read gives the content of a private file. A missing one is fs.ErrNotExist.
func (d *stateDir) read(name string) ([]byte, error) {
	data, err := d.Read(name, maxStateFile)
	if err != nil {
		return nil, fmt.Errorf("reading %w", err)
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
	err = d.Create(name, data, modePrivate)
	if errors.Is(err, fs.ErrExist) {
		return d.read(name)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %w", err)
	}
	return data, nil
}

// replace writes a file whole or not at all.
func (d *stateDir) replace(name string, data []byte, mode fs.FileMode) error {
	if err := d.Replace(name, data, mode); err != nil {
		return fmt.Errorf("writing %w", err)
	}
	return nil
}

// unusable is a file that holds something else than it should.
func (d *stateDir) unusable(name string, err error) error {
	return fmt.Errorf("reading %q: %w", d.Path(name), err)
}
