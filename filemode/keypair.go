package filemode

import (
	"crypto/tls"
	"fmt"
)

// MaxPEM bounds a file of certificates or with a key, in bytes. A whole system's
// roots have some 250 KiB.
const MaxPEM = 4 << 20

// KeyPair names the files of a certificate for TLS, PEM, leaf first, and of its
// private key.
type KeyPair struct {
	Setting           string // what the names of both settings begin with, such as "listen_tls."
	CertFile, KeyFile string
}

// Read reads both, anew each time. What is wrong is an error that names the
// setting; a key that is not the certificate's is.
func (p KeyPair) Read() (*tls.Certificate, error) {
	cert, err := ReadTrusted(p.CertFile, MaxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading %scert_file %w", p.Setting, err)
	}
	key, err := ReadSecret(p.KeyFile, MaxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading %skey_file %w", p.Setting, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading %scert_file %q with key_file %q: %w", p.Setting, p.CertFile, p.KeyFile, err)
	}
	return &pair, nil
}
