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
	pair := filemode.KeyPair{Setting: "upstream_tls.client_", CertFile: certFile, KeyFile: keyFile}
	files, err := livefile.New(livefile.Source[*tls.Certificate]{Paths: []string{certFile, keyFile}, Read: pair.Read})
	if err != nil {
		return nil, err
	}
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		current, _ := files.Get() // the old one serves on; each handshake looks again
		return current, nil
	}, nil
}
