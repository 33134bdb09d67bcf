package upstream

import (
	"crypto/tls"
	"fmt"

	"sealcar/filemode"
	"sealcar/livefile"
)

// newClientCert makes a tls.Config.GetClientCertificate: our certificate towards
// the upstream, read again when one of its files changes. While the new files do
// not fit together (a rotation writes one after the other) the old certificate
// serves on.
func newClientCert(certFile, keyFile string) (func(*tls.CertificateRequestInfo) (*tls.Certificate, error), error) {
	if certFile == "" || keyFile == "" {
		return nil, fmt.Errorf("upstream_tls: client_cert_file %q and client_key_file %q: both are needed, or neither", certFile, keyFile)
	}
	files, err := livefile.New(livefile.Source[*tls.Certificate]{
		Paths: []string{certFile, keyFile},
		Read: func() (*tls.Certificate, error) {
			key, err := filemode.ReadSecret(keyFile, maxPEM)
			if err != nil {
				return nil, fmt.Errorf("reading upstream_tls.client_key_file %w", err)
			}
			cert, err := filemode.ReadTrusted(certFile, maxPEM)
			if err != nil {
				return nil, fmt.Errorf("reading upstream_tls.client_cert_file %w", err)
			}
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				return nil, fmt.Errorf("reading upstream_tls.client_cert_file %q with client_key_file %q: %w", certFile, keyFile, err)
			}
			return &pair, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		current, _ := files.Get() // the old one serves on; each handshake looks again
		return current, nil
	}, nil
}
