package volcsign

import (
	"fmt"

	"sealcar/filemode"
)

// Credentials are an access key of Volcengine (AK/SK).
type Credentials struct {
	AccessKey    string
	SecretKey    string
	SessionToken string // of temporary ones (STS); "" for permanent ones
}

// Files are where Credentials are kept, each in one file.
type Files struct {
	Setting       string // the part of the configuration that names them, for errors
	AccessKey     string
	SecretKey     string
	SecurityToken string // has the session token; "" for permanent credentials
}

// Read reads the files, anew each time, so that rotated credentials are seen.
// Those that others may read are refused (package filemode). Errors name the
// setting and the file.
func (f Files) Read() (Credentials, error) {
	var c Credentials
	for _, file := range []struct {
		name, path string
		value      *string
	}{
		{"access_key_file", f.AccessKey, &c.AccessKey},
		{"secret_key_file", f.SecretKey, &c.SecretKey},
		{"security_token_file", f.SecurityToken, &c.SessionToken},
	} {
		if file.path == "" && file.value == &c.SessionToken {
			continue
		}
		word, err := filemode.ReadWord(file.path)
		if err != nil {
			return Credentials{}, fmt.Errorf("reading %s.%s %w", f.Setting, file.name, err)
		}
		*file.value = word
	}
	return c, nil
}
