package sidecar

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"sealcar/certfetch"
	"sealcar/config"
	"sealcar/crypto/ark"
)

// newCertificates joins a source of certificates to their verification and
// caches. Sources that ask over the network go out as the route does.
func newCertificates(c *config.Config, r config.Route, origin string, out http.RoundTripper, log zerolog.Logger) (*certfetch.Cache, error) {
	roots, err := loadRoots(r.Certificate.Roots)
	if err != nil {
		return nil, err
	}
	source, err := newSource(r, origin, &http.Client{Transport: out})
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(c.StateDir, "certificates")
	if r.Certificate.Source == "file" {
		dir = "" // it is on disk already
	}
	return certfetch.NewCache(certfetch.CacheConfig{
		Source:   source,
		Verifier: &certfetch.Verifier{Roots: roots, ClockSkew: r.Certificate.ClockSkew},
		Scope:    origin,
		Dir:      dir,
		MaxAge:   r.Certificate.MaxAge,
		Timeout:  c.Timeouts.Certificate,
		Report:   func(err error) { log.Warn().Err(err).Msg("endpoint certificate") },
	})
}

func loadRoots(setting string) (certfetch.Roots, error) {
	if setting == "builtin" {
		return certfetch.BuiltinRoots()
	}
	text, err := os.ReadFile(setting) // #nosec G304 -- the operator names it
	if err != nil {
		return certfetch.Roots{}, fmt.Errorf("reading certificate.roots: %w", err)
	}
	roots, err := certfetch.LoadRoots(text)
	if err != nil {
		return certfetch.Roots{}, fmt.Errorf("reading certificate.roots %q: %w", setting, err)
	}
	return roots, nil
}

func newSource(r config.Route, origin string, client *http.Client) (certfetch.Source, error) {
	c := r.Certificate
	switch c.Source {
	case "api-key":
		return &certfetch.APIKeySource{BaseURL: origin + ark.BasePath, Client: client}, nil
	case "openapi":
		return &certfetch.OpenAPISource{
			Host:        c.Host,
			Region:      c.Region,
			Client:      client,
			Credentials: certfetch.FileCredentials(c.AccessKeyFile, c.SecretKeyFile),
		}, nil
	case "file":
		return &certfetch.FileSource{Path: c.File}, nil
	default:
		return nil, fmt.Errorf("certificate.source %q is unknown", c.Source)
	}
}
