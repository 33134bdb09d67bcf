package enclave

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// seedFiles are the files that a seed may hold: every private one.
func seedFiles() []string {
	return []string{
		fileRoot, fileSubCA, fileEndpoint, fileRetired, fileTLSCA, fileTLSServer,
		fileAPIKey, fileAccessKey, fileSecretKey,
	}
}

// takeOver puts the keys and credentials of a seed in the place of those that
// are kept. A seed is read only, and it is no state directory: the files of a
// mounted Secret are symbolic links, and its mode is the cluster's business.
// What others can read all the same is refused. What a seed lacks is made.
func (d *stateDir) takeOver(seed string) error {
	if info, err := os.Stat(seed); err != nil || !info.IsDir() {
		return fmt.Errorf("no seed directory at %q", seed) // a typing mistake must not make new keys
	}
	for _, name := range seedFiles() {
		data, err := readSeed(filepath.Join(seed, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the seed: %w", err)
		}
		old, err := d.read(name)
		if err == nil && bytes.Equal(old, data) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := d.replace(name, data, modePrivate); err != nil {
			return err
		}
	}
	return nil
}

func readSeed(path string) ([]byte, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the directory
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const everybody = 0o007
	if mode := info.Mode().Perm(); mode&everybody != 0 {
		return nil, fmt.Errorf("%q has mode %#o, which lets everybody in; make it 0440 (a Secret's defaultMode) or less", path, mode)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxStateFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxStateFile {
		return nil, fmt.Errorf("%q has more than %d bytes", path, maxStateFile)
	}
	return data, nil
}
