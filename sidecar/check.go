package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rs/zerolog"

	"sealcar/certfetch"
	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/proxy"
	"sealcar/upstream"
)

// Check reads every file that a valid configuration's data port and routes name,
// as New would, and tells of all that cannot be used, one error a file. It asks nobody and
// writes nothing.
func Check(c *config.Config) error {
	faults := proxy.CheckListener(c)
	for _, r := range c.Routes {
		for _, err := range checkRoute(c, r) {
			faults = append(faults, fmt.Errorf("route %q: %w", r.Name, err))
		}
	}
	return errors.Join(faults...)
}

// CheckResidue tells of the residue_exceptions of a valid configuration that can
// never count, and, in doubts, of those that hardly do. It reads no file.
func CheckResidue(c *config.Config) (doubts []string, err error) {
	var faults []error
	for _, r := range c.Routes {
		policy, err := residuePolicy(c, r)
		if err != nil {
			faults = append(faults, fmt.Errorf("route %q: %w", r.Name, err))
			continue
		}
		for _, doubt := range policy.Doubts() {
			doubts = append(doubts, fmt.Sprintf("route %q: %s", r.Name, doubt))
		}
	}
	return doubts, errors.Join(faults...)
}

func checkRoute(c *config.Config, r config.Route) (faults []error) {
	fault := func(err error) {
		known := func(f error) bool { return f.Error() == err.Error() }
		if err != nil && !slices.ContainsFunc(faults, known) { // two parts may need one file
			faults = append(faults, err)
		}
	}
	_, err := upstream.New(upstream.Config{Route: r, Timeouts: c.Timeouts, Limits: c.Limits})
	fault(err)
	_, err = newVerifier(r.Certificate)
	fault(err)
	_, err = newRevocation(c, r)
	fault(err)
	if r.Certificate.Uses("openapi") {
		_, err = certificateFiles(r.Certificate).Read()
		fault(err)
	}
	if r.Certificate.Uses("file") {
		_, err = (&certfetch.FileSource{Path: r.Certificate.File}).Fetch(context.Background(), ark.Query{})
		fault(err)
	}
	if r.Credentials.Source == "openapi" {
		_, err = credentialFiles(r.Credentials).Read()
		fault(err)
	}
	nobody := new(http.Transport) // is asked: only the files of the credentials are looked at
	keys, err := newCredentials(c, r, nobody, zerolog.Nop())
	fault(err)
	if err == nil {
		keys.close()
	}
	return faults
}
