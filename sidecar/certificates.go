package sidecar

import (
	"fmt"
	"math/rand/v2" //nolint:depguard // spreads renewals over time; nothing secret is drawn
	"net/http"

	"github.com/rs/zerolog"

	"sealcar/certfetch"
	"sealcar/certfetch/revocation"
	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
	"sealcar/filemode"
	"sealcar/netguard"
	"sealcar/upstream"
)

// addCertificates joins a source of certificates to their verification,
// revocation and caches. Sources that ask over the network go out as the route
// does. dir is where they survive a restart; "" = nowhere.
func (e *Endpoint) addCertificates(c *config.Config, r config.Route, dir string, log zerolog.Logger) (err error) {
	if e.Verifier, err = newVerifier(r.Certificate); err != nil {
		return err
	}
	if e.Revocation, err = newRevocation(c, r); err != nil {
		return err
	}
	if e.Source, err = newSource(r, e.Origin, &http.Client{Transport: e.Out}, e.Verifier); err != nil {
		return err
	}
	if r.Certificate.Source == "file" {
		dir = "" // it is on disk already
	}
	e.Certificates, err = certfetch.NewCache(certfetch.CacheConfig{
		Source:     e.Source,
		SourceName: r.Certificate.Source,
		Verifier:   e.Verifier,
		Revocation: e.Revocation,
		Scope:      e.Origin,
		Dir:        dir,
		MaxAge:     r.Certificate.MaxAge,
		Timeout:    c.Timeouts.Certificate,
		Jitter:     rand.Float64,
		Report:     func(err error) { log.Warn().Err(err).Msg("endpoint certificate") },
	})
	return err
}

func newVerifier(c config.Certificate) (*certfetch.Verifier, error) {
	roots, err := loadRoots(c.Roots)
	if err != nil {
		return nil, err
	}
	pins, err := certfetch.NewPins(c.Pins.Serials, c.Pins.SPKI)
	if err != nil {
		return nil, fmt.Errorf("reading certificate.pins: %w", err)
	}
	return &certfetch.Verifier{Roots: roots, Pins: pins, ClockSkew: c.ClockSkew}, nil
}

// maxRoots bounds the file of certificate.roots, in bytes.
const maxRoots = 1 << 20

func loadRoots(setting string) (certfetch.Roots, error) {
	if setting == "builtin" {
		return certfetch.BuiltinRoots()
	}
	if config.IsPEM(setting) {
		roots, err := certfetch.LoadRoots([]byte(setting))
		if err != nil {
			return certfetch.Roots{}, fmt.Errorf("reading the PEM text of certificate.roots: %w", err)
		}
		return roots, nil
	}
	text, err := filemode.ReadTrusted(setting, maxRoots)
	if err != nil {
		return certfetch.Roots{}, fmt.Errorf("reading certificate.roots %w", err)
	}
	roots, err := certfetch.LoadRoots(text)
	if err != nil {
		return certfetch.Roots{}, fmt.Errorf("reading certificate.roots %q: %w", setting, err)
	}
	return roots, nil
}

// newRevocation gives the lookups a way out of their own: where they go is
// written in a certificate.
func newRevocation(c *config.Config, r config.Route) (certfetch.RevocationPolicy, error) {
	settings := r.Certificate.Revocation
	if settings.Mode == "off" {
		return certfetch.RevocationPolicy{}, nil
	}
	out, err := upstream.NewGuarded(r, c.Timeouts, upstream.Bounds{
		Setting: "certificate.revocation", AllowedHosts: settings.AllowedHosts, Reach: netguard.ReachOf(settings.Addresses),
	})
	if err != nil {
		return certfetch.RevocationPolicy{}, err
	}
	checker, err := revocation.New(revocation.Config{
		Client:   &http.Client{Transport: out},
		Timeout:  settings.Timeout,
		MaxBytes: int64(settings.MaxBytes),
		Skew:     r.Certificate.ClockSkew,
		Jitter:   rand.Float64,
	})
	return certfetch.RevocationPolicy{Checker: checker, Hard: settings.Mode == "hard"}, err
}

func newSource(r config.Route, origin string, client *http.Client, verifier *certfetch.Verifier) (certfetch.Source, error) {
	if r.Certificate.Source != "chain" {
		return newSingleSource(r.Certificate, r.Certificate.Source, origin, client)
	}
	chain := &certfetch.Chain{Verifier: verifier}
	for _, name := range r.Certificate.Sources {
		source, err := newSingleSource(r.Certificate, name, origin, client)
		if err != nil {
			return nil, err
		}
		chain.Members = append(chain.Members, certfetch.Member{Name: name, Source: source})
	}
	return chain, nil
}

func newSingleSource(c config.Certificate, name, origin string, client *http.Client) (certfetch.Source, error) {
	switch name {
	case "api-key":
		return &certfetch.APIKeySource{BaseURL: origin + ark.BasePath, Client: client}, nil
	case "openapi":
		return &certfetch.OpenAPISource{
			Host:        c.Host,
			Region:      c.Region,
			Client:      client,
			Credentials: certificateFiles(c).Read,
		}, nil
	case "file":
		return &certfetch.FileSource{Path: c.File}, nil
	default:
		return nil, fmt.Errorf("certificate.source %q is unknown", name)
	}
}

func certificateFiles(c config.Certificate) volcsign.Files {
	return volcsign.Files{Setting: "certificate", AccessKey: c.AccessKeyFile, SecretKey: c.SecretKeyFile, SecurityToken: c.SecurityTokenFile}
}
