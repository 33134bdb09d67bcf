package upstream

import (
	"crypto/x509"
	"errors"
	"fmt"

	"sealcar/filemode"
)

// newRoots gives the system's roots, those of a PEM file and those of PEM text.
// Without both it gives nil, which to crypto/tls means the system's.
func newRoots(file, text string) (*x509.CertPool, error) {
	if file == "" && text == "" {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("loading the system's roots: %w", err)
	}
	if text != "" && !roots.AppendCertsFromPEM([]byte(text)) {
		return nil, errors.New("reading upstream_ca: no PEM certificate in it")
	}
	if file == "" {
		return roots, nil
	}
	content, err := filemode.ReadTrusted(file, filemode.MaxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading upstream_ca_file %w", err)
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("reading upstream_ca_file %q: no PEM certificate in it", file)
	}
	return roots, nil
}
