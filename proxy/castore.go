package proxy

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"sealcar/config"
	"sealcar/filemode"
)

// openAuthority gives CAs that may vouch for hosts, and writes the files that
// make applications trust them. It is the user's own CA, or those of ca_dir, a
// new one among them if need be.
func (p *Proxy) openAuthority(c *config.Config, hosts []string) (*authority, error) {
	dir := caDir(c)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // applications of other users read from it; the key has a mode of its own
		return nil, fmt.Errorf("making ca_dir: %w", err)
	}
	if err := os.MkdirAll(publicDir(c), 0o755); err != nil { //nolint:gosec // it is for applications of other users
		return nil, fmt.Errorf("making public_dir: %w", err)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("locking ca_dir %q: %w", dir, err)
	}
	defer unlock() // until the public files match the key too
	kept, err := filemode.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening ca_dir %w", err)
	}
	defer kept.Close()

	var cas []*localCA
	if c.Interception.CACertFile != "" {
		cas, err = loadOwnCA(c.Interception)
	} else {
		cas, err = p.loadOrMakeCAs(c.Interception, kept, hosts)
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
	if err := files.write(cas, roots); err != nil {
		return nil, err
	}
	return newAuthority(cas, c, hosts, p.options.Now)
}

// caKeyFile is in ca_dir.
const caKeyFile = "ca.key"

// maxCAs bounds the CAs of a ca_dir. Each set of hosts that no CA there covers
// adds one, so it takes that many changes within interception.ca_lifetime to
// push out one that running applications may still need.
const maxCAs = 8

// loadOrMakeCAs reads the CAs of ca_dir, and puts a new one before them if there
// is none or the newest will not do. Other processes may serve by the older ones
// still, for hosts of their own: the new one may vouch for those hosts too, so
// that it does for all, and the older ones stay trusted. The caller holds the
// lock of ca_dir, so processes that share it agree.
func (p *Proxy) loadOrMakeCAs(c config.Interception, dir *filemode.Dir, hosts []string) ([]*localCA, error) {
	now := p.options.Now()
	old, err := readCAs(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var unfit error
	if len(old) > 0 {
		if unfit = fits(old[0].cert(), c, hosts, now); unfit == nil {
			return old, nil
		}
	}
	kept := stillGood(old, c, now)
	next, err := newCA(c, slices.Concat(hosts, permitted(kept)), now)
	if err != nil {
		return nil, fmt.Errorf("making a CA: %w", err)
	}
	cas := append([]*localCA{next}, kept...)
	if err := writeCAs(dir, cas); err != nil {
		return nil, err
	}
	if unfit != nil {
		p.logNewCA(unfit, slices.Contains(kept, old[0]))
	}
	return cas, nil
}

// logNewCA tells what a CA beside one that does no longer do, or in its place,
// means for applications.
func (p *Proxy) logNewCA(unfit error, beside bool) {
	e := p.log.Warn().Str("reason", unfit.Error())
	if beside {
		e.Msg("made a new local CA beside the old one: running applications go on, but for what the old one does not cover they need the new ca.crt, so a restart")
		return
	}
	e.Msg("made a new local CA in place of the old one: applications need the new ca.crt, so restart them")
}

// stillGood are the CAs worth keeping beside a new one, the newest first. One
// that may vouch for any host is not, where that is no longer wanted.
func stillGood(cas []*localCA, c config.Interception, now time.Time) []*localCA {
	var good []*localCA
	for _, ca := range cas {
		if now.Before(ca.cert().NotAfter) && (constrained(ca.cert()) || !c.NameConstraints) {
			good = append(good, ca)
		}
	}
	return good[:min(len(good), maxCAs-1)]
}

// writeCAs writes the file that readCAs reads: of each CA its key and its
// certificate, so that there is no moment with half a pair.
func writeCAs(dir *filemode.Dir, cas []*localCA) error {
	var content []byte
	for _, ca := range cas {
		der, err := x509.MarshalPKCS8PrivateKey(ca.key)
		if err != nil {
			return fmt.Errorf("encoding the CA's key: %w", err)
		}
		content = append(content, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
		content = append(content, encodeCertificates(ca.chain)...)
	}
	if err := dir.Replace(caKeyFile, content, 0o600); err != nil {
		return fmt.Errorf("writing %w", err)
	}
	return nil
}

// readCAs reads the CAs that earlier runs made, the newest first. A file that
// somebody else can read or put in place is refused, rather than trusted once
// more.
func readCAs(dir *filemode.Dir) ([]*localCA, error) {
	content, err := dir.Read(caKeyFile, maxOwnCA)
	if err != nil {
		return nil, fmt.Errorf("reading the CA's key %w; if it is removed, a new CA will be made", err)
	}
	var cas []*localCA
	for _, pair := range splitPairs(content) {
		ca, err := parseCA(pair, pair)
		if err != nil {
			return nil, fmt.Errorf("reading the CA's key %q: %w", dir.Path(caKeyFile), err)
		}
		cas = append(cas, ca)
	}
	return cas, nil
}

// splitPairs cuts PEM behind each certificate. There is at least one piece, and
// none is lost: what is left over is a piece too.
func splitPairs(content []byte) [][]byte {
	pieces := bytes.SplitAfter(bytes.TrimSpace(content), []byte("-----END CERTIFICATE-----"))
	if last := len(pieces) - 1; last > 0 && len(pieces[last]) == 0 {
		pieces = pieces[:last]
	}
	return pieces
}

// maxOwnCA bounds each file of the user's own CA, in bytes.
const maxOwnCA = 1 << 20

// loadOwnCA reads the CA that the user brings.
func loadOwnCA(c config.Interception) ([]*localCA, error) {
	keyPEM, err := filemode.ReadSecret(c.CAKeyFile, maxOwnCA)
	if err != nil {
		return nil, fmt.Errorf("reading ca_key_file %w", err)
	}
	certPEM, err := filemode.ReadTrusted(c.CACertFile, maxOwnCA)
	if err != nil {
		return nil, fmt.Errorf("reading ca_cert_file %w", err)
	}
	ca, err := parseCA(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading ca_cert_file %q and ca_key_file %q: %w", c.CACertFile, c.CAKeyFile, err)
	}
	return []*localCA{ca}, nil
}

// parseCA takes a CA's chain and key out of PEM and checks that they are one.
func parseCA(certPEM, keyPEM []byte) (*localCA, error) {
	chain := parseCertificates(certPEM)
	if len(chain) == 0 {
		return nil, errors.New("no certificate in it")
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return nil, errors.New("the key is not that of the first certificate")
	}
	if !chain[0].BasicConstraintsValid || !chain[0].IsCA || chain[0].KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, errors.New("the first certificate is not that of a CA")
	}
	return &localCA{chain: chain, key: key}, nil
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
