package enclave

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sealcar/filemode"
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
		data, err := filemode.ReadSecret(filepath.Join(seed, name), maxStateFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the seed %w", err)
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
