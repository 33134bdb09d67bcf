package certfetch

import (
	"fmt"
	"io"

	"sealcar/filemode"
)

// Credentials sign requests to the OpenAPI.
type Credentials struct {
	AccessKey    string
	SecretKey    string
	SessionToken string // of temporary credentials; "" for permanent ones
}

// FileCredentials reads the keys anew each time it is asked, so that rotated
// secrets are seen. sessionTokenFile goes with temporary keys (STS); "" is none.
// Files that others may read are refused (package filemode).
func FileCredentials(accessKeyFile, secretKeyFile, sessionTokenFile string) func() (Credentials, error) {
	return func() (Credentials, error) {
		access, err := readSecret("access_key_file", accessKeyFile)
		if err != nil {
			return Credentials{}, err
		}
		secret, err := readSecret("secret_key_file", secretKeyFile)
		if err != nil {
			return Credentials{}, err
		}
		keys := Credentials{AccessKey: access, SecretKey: secret}
		if sessionTokenFile != "" {
			if keys.SessionToken, err = readSecret("security_token_file", sessionTokenFile); err != nil {
				return Credentials{}, err
			}
		}
		return keys, nil
	}
}

func readSecret(setting, path string) (string, error) {
	word, err := filemode.ReadWord(path)
	if err != nil {
		return "", fmt.Errorf("reading certificate.%s %w", setting, err)
	}
	return word, nil
}

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("it is over %d bytes", limit)
	}
	return b, nil
}
