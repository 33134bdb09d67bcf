package certs

import (
	"crypto/tls"
	"fmt"

	"sealcar/filemode"
	"sealcar/livefile"
)

// maxPEM bounds a file of certificates or a key.
const maxPEM = 1 << 20

// Files is a certificate from files, which are read again when they change. A
// change that cannot be read is reported once, and the former one stays in use.
func Files(certFile, keyFile string, report func(error)) (*livefile.Value[*tls.Certificate], error) {
	return livefile.New(livefile.Source[*tls.Certificate]{
		Paths:  []string{certFile, keyFile},
		Report: report,
		Read:   func() (*tls.Certificate, error) { return readPair(certFile, keyFile) },
	})
}

func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := filemode.ReadTrusted(certFile, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate %w", err)
	}
	key, err := filemode.ReadSecret(keyFile, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate's key %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate %q with the key %q: %w", certFile, keyFile, err)
	}
	return &pair, nil
}
