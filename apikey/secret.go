package apikey

import (
	"fmt"
	"net/http"

	"sealcar/apierror"
	"sealcar/filemode"
)

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
		if *part.value, err = filemode.ReadWord(part.file); err != nil {
			return Secrets{}, fmt.Errorf("reading a secret %w", err)
		}
	}
	return s, nil
}

// unavailable is a failure that may pass.
func unavailable(message string, cause error) *apierror.Error {
	return &apierror.Error{Status: http.StatusServiceUnavailable, Code: "api_key_unavailable", Message: message, Cause: cause}
}
