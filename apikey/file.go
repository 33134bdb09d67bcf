package apikey

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"sealcar/filemode"
)

// File is the one API key of a file, for every model. Make it with NewFile.
// Safe for concurrent use.
type File struct {
	path string

	mu   sync.Mutex
	key  string
	info fs.FileInfo // of the file that key is from; nil before the first
}

// NewFile reads the key of a file, and reads it again once the file has changed.
func NewFile(path string) (*File, error) {
	f := &File{path: path}
	_, err := f.read()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Credential gives the key. While the file cannot be read there is none: one
// that was removed may have been revoked.
func (f *File) Credential(context.Context, string) (string, error) {
	key, err := f.read()
	if err != nil {
		return "", unavailable("sealcar cannot read the API key of this route, so nothing was sent; check credentials.api_key_file", err)
	}
	return key, nil
}

// Renew implements ark.Credentials: Credential has looked already, so there is
// another key only if the file has changed since.
func (f *File) Renew(ctx context.Context, model, stale string) (key string, changed bool, err error) {
	key, err = f.Credential(ctx, model)
	return key, key != stale, err
}

func (f *File) read() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && f.info != nil && os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) && info.Size() == f.info.Size() {
		return f.key, nil
	}
	key, err := filemode.ReadWord(f.path)
	if err != nil {
		return "", fmt.Errorf("reading a secret %w", err)
	}
	f.key, f.info = key, info // a change between the two is seen the next time
	return key, nil
}
