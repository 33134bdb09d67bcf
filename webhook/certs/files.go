package certs

import (
	"crypto/tls"
	"fmt"

	"sealcar/livefile"
)

// Files is a certificate from files, which are read again when they change. A
// change that cannot be read is reported once, and the former one stays in use.
func Files(certFile, keyFile string, report func(error)) (func() (*tls.Certificate, error), error) {
	pair, err := livefile.New(livefile.Source[*tls.Certificate]{
		Paths:  []string{certFile, keyFile},
		Report: report,
		Read: func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return nil, fmt.Errorf("reading the certificate %q with the key %q: %w", certFile, keyFile, err)
			}
			return &pair, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return func() (*tls.Certificate, error) {
		now, _ := pair.Get() // its error was reported
		return now, nil
	}, nil
}
