package proxy

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sealcar/config"
)

// openAuthority gives a CA that may vouch for hosts, and writes the files that
// make applications trust it. The CA is the user's own, or the one in ca_dir,
// or a new one there.
func (p *Proxy) openAuthority(c *config.Config, hosts []string) (*authority, error) {
	dir := caDir(c)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // applications of other users read from it; the key has a mode of its own
		return nil, fmt.Errorf("making ca_dir: %w", err)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("locking ca_dir %q: %w", dir, err)
	}
	defer unlock() // until the public files match the key too

	var chain []*x509.Certificate
	var key crypto.Signer
	if c.Interception.CACertFile != "" {
		chain, key, err = loadOwnCA(c.Interception)
	} else {
		chain, key, err = p.loadOrMakeCA(c.Interception, filepath.Join(dir, "ca.key"), hosts)
	}
	if err != nil {
		return nil, err
	}
	files := NewCAFiles(c)
	roots, err := systemRoots(p.options.Getenv, files.Bundle)
	if err != nil {
		return nil, err
	}
	if len(roots) == 0 {
		p.log.Warn().Str("file", files.Bundle).Msg("this system has no file of root certificates: the bundle holds the local CA only; set SSL_CERT_FILE")
	}
	if err := files.write(chain, roots); err != nil {
		return nil, err
	}
	return newAuthority(chain, key, c, hosts, p.options.Now)
}

// loadOrMakeCA reads the CA of ca_dir, and replaces it by a new one if there is
// none or it will not do. The caller holds the lock of ca_dir, so processes
// that share it agree.
func (p *Proxy) loadOrMakeCA(c config.Interception, path string, hosts []string) ([]*x509.Certificate, crypto.Signer, error) {
	now := p.options.Now()
	cert, key, err := readCA(path)
	switch {
	case err == nil:
		unfit := fits(cert, c, hosts, now)
		if unfit == nil {
			return []*x509.Certificate{cert}, key, nil
		}
		p.log.Warn().Str("reason", unfit.Error()).Msg("making a new local CA: applications need the new ca.crt, so restart them")
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	}
	if cert, key, err = newCA(c, hosts, now); err != nil {
		return nil, nil, fmt.Errorf("making a CA: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the CA's key: %w", err)
	}
	// Key and certificate are one file: there is no moment with half a pair.
	content := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), encodeCertificates([]*x509.Certificate{cert})...)
	if err := writeFile(path, content, 0o600); err != nil {
		return nil, nil, err
	}
	return []*x509.Certificate{cert}, key, nil
}

// readCA reads a CA that an earlier run made. A key that somebody else can read
// or put in place is refused, rather than trusted once more.
func readCA(path string) (*x509.Certificate, crypto.Signer, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the CA's key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("the CA's key %q is not a regular file: remove it, and a new CA will be made", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, nil, fmt.Errorf("the CA's key %q has mode %#o, others can read it: remove it, and a new CA will be made", path, mode)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the CA's key: %w", err)
	}
	chain, key, err := parseCA(content, content)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the CA's key %q: %w", path, err)
	}
	return chain[0], key, nil
}

// loadOwnCA reads the CA that the user brings. Mounted secrets are symbolic
// links and readable by a group, so only what everybody may read, or others may
// write, is refused.
func loadOwnCA(c config.Interception) ([]*x509.Certificate, crypto.Signer, error) {
	info, err := os.Stat(c.CAKeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading ca_key_file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, nil, fmt.Errorf("ca_key_file %q has mode %#o: take away reading by others and writing by the group (chmod 600 or 640)", c.CAKeyFile, mode)
	}
	keyPEM, err := os.ReadFile(c.CAKeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading ca_key_file: %w", err)
	}
	certPEM, err := os.ReadFile(c.CACertFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading ca_cert_file: %w", err)
	}
	chain, key, err := parseCA(certPEM, keyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("reading ca_cert_file %q and ca_key_file %q: %w", c.CACertFile, c.CAKeyFile, err)
	}
	return chain, key, nil
}

// parseCA takes a CA's chain and key out of PEM and checks that they are one.
func parseCA(certPEM, keyPEM []byte) ([]*x509.Certificate, crypto.Signer, error) {
	chain := parseCertificates(certPEM)
	if len(chain) == 0 {
		return nil, nil, errors.New("no certificate in it")
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return nil, nil, errors.New("the key is not that of the first certificate")
	}
	if !chain[0].BasicConstraintsValid || !chain[0].IsCA || chain[0].KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, nil, errors.New("the first certificate is not that of a CA")
	}
	return chain, key, nil
}

// parseKey takes the private key out of PEM, in any of the usual encodings.
func parseKey(content []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, errors.New("the private key is not well formed") // the cause could quote the key
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	return nil, errors.New("no private key in it that can sign")
}
