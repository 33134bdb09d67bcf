package apikey

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"sealcar/apierror"
)

// maxSecret bounds a key, and the file that holds one, in bytes.
const maxSecret = 4 << 10

// Secrets sign the calls that ask for a key.
type Secrets struct {
	AccessKey, SecretKey string
	SecurityToken        string // of temporary secrets (STS); "" for permanent ones
}

// Files names the files that hold Secrets.
type Files struct {
	AccessKey, SecretKey string // required
	SecurityToken        string // "" for permanent secrets
}

// Read reads the files, each time anew, so that rotated secrets are seen.
func (f Files) Read() (Secrets, error) {
	var s Secrets
	for _, part := range []struct {
		file  string
		value *string
	}{{f.AccessKey, &s.AccessKey}, {f.SecretKey, &s.SecretKey}, {f.SecurityToken, &s.SecurityToken}} {
		if part.file == "" && part.value == &s.SecurityToken {
			continue
		}
		var err error
		if *part.value, err = readSecret(part.file); err != nil {
			return Secrets{}, err
		}
	}
	return s, nil
}

// readSecret reads a file that holds one word. A pipe or device could keep us
// waiting for ever, so only regular files are read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("reading a secret: %q is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	word := string(bytes.TrimSpace(text))
	if err := checkWord(word); err != nil {
		return "", fmt.Errorf("reading a secret from %q: %w", path, err)
	}
	return word, nil
}

// checkWord wants what can stand in a header as it is.
func checkWord(word string) error {
	switch {
	case word == "":
		return errors.New("it is empty")
	case len(word) > maxSecret:
		return fmt.Errorf("it has more than %d bytes", maxSecret)
	case strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("it is not one word of printable ASCII")
	default:
		return nil
	}
}

// unavailable is a failure that may pass.
func unavailable(message string, cause error) *apierror.Error {
	return &apierror.Error{Status: http.StatusServiceUnavailable, Code: "api_key_unavailable", Message: message, Cause: cause}
}
