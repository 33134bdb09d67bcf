package enclave

import (
	"bytes"
	"crypto/ecdh"
	"encoding/pem"
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
		fileRoot, fileSubCA, fileEndpoint, fileAccepted, fileTLSCA, fileTLSServer,
		fileAPIKey, fileAccessKey, fileSecretKey,
	}
}

// fileAccepted holds further keys that requests may be sealed for, in PEM: the
// endpoint's next one, or former ones. Enclaves that stand for one endpoint are
// given its next key here before any of them hands out a certificate for it.
const fileAccepted = "endpoint-accepted.key"

// loadAccepted gives those keys.
func loadAccepted(dir *stateDir) ([]*ecdh.PrivateKey, error) {
	data, err := dir.read(fileAccepted)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []*ecdh.PrivateKey
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" { // an endpoint.key has some
			continue
		}
		key, err := parseKey(block)
		if err != nil {
			return nil, dir.unusable(fileAccepted, err)
		}
		agreement, err := key.ECDH()
		if err != nil {
			return nil, dir.unusable(fileAccepted, err)
		}
		if keys = append(keys, agreement); len(keys) > maxRetired {
			return nil, dir.unusable(fileAccepted, fmt.Errorf("it holds more than %d keys", maxRetired))
		}
	}
	return keys, nil
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
		if errors.Is(err, fs.ErrNotExist) && name == fileAccepted {
			err = d.remove(name) // what is accepted no more
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil // it is made
		} else if err == nil {
			err = d.put(name, data)
		}
		if err != nil {
			return fmt.Errorf("taking the seed over: %w", err)
		}
	}
	return nil
}

// put writes a private file unless it holds data already.
func (d *stateDir) put(name string, data []byte) error {
	old, err := d.read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	return d.replace(name, data, modePrivate)
}

// remove removes a file if it is there.
func (d *stateDir) remove(name string) error {
	if err := d.Remove(name); err != nil {
		return fmt.Errorf("removing %w", err)
	}
	return nil
}
