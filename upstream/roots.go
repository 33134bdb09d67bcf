package upstream

import (
	"crypto/x509"
	"fmt"

	"sealcar/filemode"
)

// maxPEM bounds a file of certificates or with a key, in bytes. A whole system's
// roots have some 250 KiB.
const maxPEM = 4 << 20

// newRoots gives the system's roots and those of a PEM file. Without a file it
// gives nil, which to crypto/tls means the system's.
func newRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := filemode.ReadTrusted(file, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading upstream_ca_file %w", err)
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
