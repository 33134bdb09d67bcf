package upstream

import (
	"crypto/x509"
	"fmt"
	"os"
)

// newRoots gives the system's roots and those of a PEM file. Without a file it
// gives nil, which to crypto/tls means the system's.
func newRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading upstream_ca_file %q: %w", file, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("loading the system's roots: %w", err)
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading upstream_ca_file %q: no PEM certificate in it", file)
	}
	return roots, nil
}
