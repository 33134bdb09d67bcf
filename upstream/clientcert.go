package upstream

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"sealcar/filemode"
)

// clientCert is our certificate towards the upstream, read again when one of
// its files changes. While the new files do not fit together (a rotation writes
// one after the other) the old certificate serves on.
type clientCert struct {
	certFile, keyFile string

	mu      sync.Mutex
	seen    [2]stamp
	current *tls.Certificate
}

// stamp tells whether a file is the one that was read.
type stamp struct {
	changed time.Time
	size    int64
}

func newClientCert(certFile, keyFile string) (*clientCert, error) {
	if certFile == "" || keyFile == "" {
		return nil, fmt.Errorf("upstream_tls: client_cert_file %q and client_key_file %q: both are needed, or neither", certFile, keyFile)
	}
	c := &clientCert{certFile: certFile, keyFile: keyFile}
	seen, err := c.stamps()
	if err != nil {
		return nil, err
	}
	if err := c.load(seen); err != nil {
		return nil, err
	}
	return c, nil
}

// get is a tls.Config.GetClientCertificate: called in each handshake in which
// the upstream asks for a certificate.
func (c *clientCert) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen, err := c.stamps(); err == nil && seen != c.seen {
		_ = c.load(seen) // the old one serves on; the next handshake tries again
	}
	return c.current, nil
}

// load remembers the stamps only of files that fit together.
func (c *clientCert) load(seen [2]stamp) error {
	key, err := filemode.ReadSecret(c.keyFile, maxPEM)
	if err != nil {
		return fmt.Errorf("reading upstream_tls.client_key_file %w", err)
	}
	cert, err := filemode.ReadTrusted(c.certFile, maxPEM)
	if err != nil {
		return fmt.Errorf("reading upstream_tls.client_cert_file %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("reading upstream_tls.client_cert_file %q with client_key_file %q: %w", c.certFile, c.keyFile, err)
	}
	c.current, c.seen = &pair, seen
	return nil
}

func (c *clientCert) stamps() ([2]stamp, error) {
	var seen [2]stamp
	for i, f := range []struct{ setting, path string }{
		{"client_cert_file", c.certFile},
		{"client_key_file", c.keyFile},
	} {
		info, err := os.Stat(f.path)
		if err != nil {
			return seen, fmt.Errorf("reading upstream_tls.%s %q: %w", f.setting, f.path, err)
		}
		seen[i] = stamp{info.ModTime(), info.Size()}
	}
	return seen, nil
}
