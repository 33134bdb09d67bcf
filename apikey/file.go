package apikey

import (
	"context"
	"fmt"

	"sealcar/filemode"
	"sealcar/livefile"
)

// File is the one API key of a file, for every model. Make it with NewFile.
// Safe for concurrent use.
type File struct{ key *livefile.Value[string] }

// NewFile reads the key of a file, and reads it again once the file has changed.
func NewFile(path string) (*File, error) {
	key, err := livefile.New(livefile.Source[string]{
		Paths: []string{path},
		Read:  func() (string, error) { return filemode.ReadWord(path) },
	})
	if err != nil {
		return nil, fmt.Errorf("reading the API key %w", err)
	}
	return &File{key}, nil
}

// Credential gives the key. While the file cannot be read there is none: one
// that was removed may have been revoked.
func (f *File) Credential(context.Context, string) (string, error) {
	key, err := f.key.Get()
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
