package proxy

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"software.sslmate.com/src/go-pkcs12"

	"sealcar/config"
	"sealcar/filemode"
)

// CAFiles are absolute paths of the files that make applications trust the
// local CA. All are public, readable by anybody.
type CAFiles struct {
	CA                 string // PEM: the CAs alone, the newest first, for clients that add to their roots
	Bundle             string // PEM: the system's roots and the CAs, for clients that replace theirs
	Truststore         string // PKCS #12: the same, for Java
	TruststorePassword string // it protects nothing: Java wants one
}

// NewCAFiles says where a sidecar of this configuration keeps them.
func NewCAFiles(c *config.Config) CAFiles {
	dir := publicDir(c)
	return CAFiles{
		CA:                 filepath.Join(dir, "ca.crt"),
		Bundle:             filepath.Join(dir, "ca-bundle.crt"),
		Truststore:         filepath.Join(dir, "truststore.p12"),
		TruststorePassword: pkcs12.DefaultPassword,
	}
}

// caDir is where the CA lives.
func caDir(c *config.Config) string {
	if c.Interception.CADir != "" {
		return c.Interception.CADir
	}
	return filepath.Join(c.StateDir, "ca")
}

// publicDir is where applications find its certificates.
func publicDir(c *config.Config) string {
	return cmp.Or(c.Interception.PublicDir, caDir(c))
}

// write puts the CAs into the files. Files that hold them already are left
// alone: then the directory may be read-only.
func (f CAFiles) write(cas []*localCA, systemRoots []byte) error {
	var ca []byte
	for _, c := range cas {
		ca = append(ca, encodeCertificates(c.chain)...)
	}
	bundle := slices.Concat(systemRoots, ca)
	dir, err := filemode.OpenDir(filepath.Dir(f.CA))
	if err != nil {
		return fmt.Errorf("opening public_dir %w", err)
	}
	defer dir.Close()
	if dir.Holds(filepath.Base(f.CA), ca) && dir.Holds(filepath.Base(f.Bundle), bundle) && exists(f.Truststore) {
		return nil
	}
	store, err := pkcs12.Modern2023.EncodeTrustStore(distinct(parseCertificates(bundle)), f.TruststorePassword) // the newest form that Java 17 reads
	if err != nil {
		return fmt.Errorf("encoding %q: %w", f.Truststore, err)
	}
	// The bundle comes last: it is what is compared, so a write that was cut
	// short is made up for at the next start.
	for _, file := range []struct {
		path    string
		content []byte
	}{{f.CA, ca}, {f.Truststore, store}, {f.Bundle, bundle}} {
		if err := dir.Replace(filepath.Base(file.path), file.content, 0o644); err != nil {
			return fmt.Errorf("writing %w", err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// systemRootFiles are where Linux distributions, Alpine, the BSDs and macOS
// keep their roots (as crypto/x509 knows them).
//
//nolint:gochecknoglobals // immutable table
var systemRootFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// systemRoots is the PEM bundle that applications here trust: SSL_CERT_FILE,
// but if that is our own of an earlier run, or the system's. A system without
// one gives none.
func systemRoots(getenv func(string) string, ours string) ([]byte, error) {
	if path := getenv("SSL_CERT_FILE"); path != "" && filepath.Clean(path) != filepath.Clean(ours) {
		roots, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading SSL_CERT_FILE: %w", err)
		}
		return endLine(roots), nil
	}
	for _, path := range systemRootFiles {
		roots, err := os.ReadFile(path)
		if err == nil {
			return endLine(roots), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading the system's roots: %w", err)
		}
	}
	return nil, nil
}

func endLine(b []byte) []byte {
	if len(b) > 0 && b[len(b)-1] != '\n' {
		return append(b, '\n')
	}
	return b
}

func encodeCertificates(certs []*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return b
}

// parseCertificates reads the certificates of a PEM bundle. Other blocks, and
// the odd root that crypto/x509 does not take, are left out.
func parseCertificates(bundle []byte) []*x509.Certificate {
	var certs []*x509.Certificate
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			certs = append(certs, c)
		}
	}
	return certs
}

// distinct drops repeated certificates, which a PKCS #12 store may not hold.
func distinct(certs []*x509.Certificate) []*x509.Certificate {
	seen := make(map[string]bool)
	var out []*x509.Certificate
	for _, c := range certs {
		if !seen[string(c.Raw)] {
			seen[string(c.Raw)] = true
			out = append(out, c)
		}
	}
	return out
}
