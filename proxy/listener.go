package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"

	"sealcar/config"
	"sealcar/filemode"
	"sealcar/livefile"
)

// newTLS is what the data port shows to clients, nil if it speaks no TLS. Its
// files are read again when they change: while a new certificate and key do not
// fit together the old ones serve on; while the authorities of clients cannot be
// read nobody is let in, for one may have been taken back.
func (p *Proxy) newTLS(c config.ListenTLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	report := func(err error) {
		p.log.Error().Err(err).Msg("the data port's TLS files have changed and cannot be used")
	}
	pair, err := livefile.New(livefile.Source[*tls.Certificate]{
		Paths: []string{c.CertFile, c.KeyFile}, Report: report,
		Read: pairOf(c).Read,
	})
	if err != nil {
		return nil, err
	}
	p.changes = append(p.changes, fileChange("listen_tls.cert_file", pair.Get,
		"the changed certificate and key of listen_tls cannot be used, and those before serve on: the log says why"))
	shown := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocolsOverTLS(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			current, _ := pair.Get() // reported; the old one serves on
			return current, nil
		},
	}
	if c.ClientCAFile == "" {
		return shown, nil
	}
	authorities, err := livefile.New(livefile.Source[*x509.CertPool]{
		Paths: []string{c.ClientCAFile}, Report: report,
		Read: func() (*x509.CertPool, error) { return readAuthorities(c.ClientCAFile) },
	})
	if err != nil {
		return nil, err
	}
	p.changes = append(p.changes, fileChange("listen_tls.client_ca_file", authorities.Get,
		"the changed listen_tls.client_ca_file cannot be used, and no client is let in: the log says why"))
	shown.SessionTicketsDisabled = true // a resumed session would skip authorities that are new
	shown.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := authorities.Get()
		if err != nil {
			return nil, err
		}
		own := shown.Clone()
		own.ClientAuth, own.ClientCAs = tls.RequireAndVerifyClientCert, pool
		return own, nil
	}
	return shown, nil
}

func pairOf(c config.ListenTLS) filemode.KeyPair {
	return filemode.KeyPair{Setting: "listen_tls.", CertFile: c.CertFile, KeyFile: c.KeyFile}
}

var errNoCertificate = errors.New("no PEM certificate in it")

func readAuthorities(path string) (*x509.CertPool, error) {
	text, err := filemode.ReadTrusted(path, filemode.MaxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading listen_tls.client_ca_file %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading listen_tls.client_ca_file %q: %w", path, errNoCertificate)
	}
	return pool, nil
}

// CheckListener reads the files of the data port, as New would, and tells of all
// that cannot be used, one error a file.
func CheckListener(c *config.Config) []error {
	var faults []error
	if c.ListenTLS.CertFile != "" {
		_, err := pairOf(c.ListenTLS).Read()
		faults = append(faults, err)
	}
	if c.ListenTLS.ClientCAFile != "" {
		_, err := readAuthorities(c.ListenTLS.ClientCAFile)
		faults = append(faults, err)
	}
	if c.ClientAuth.TokenFile != "" {
		_, err := readTokens(c.ClientAuth.TokenFile)
		faults = append(faults, err)
	}
	return slices.DeleteFunc(faults, func(err error) bool { return err == nil })
}

// dataListener is the data port as the server sees it. TLS has to be outermost:
// by it the server knows what connections have.
func (p *Proxy) dataListener() net.Listener {
	if p.tls == nil {
		return clearListener{p.listener, &p.log}
	}
	return tls.NewListener(p.listener, p.tls)
}
