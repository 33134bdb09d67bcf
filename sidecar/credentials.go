package sidecar

import (
	"fmt"
	"math/rand/v2" //nolint:depguard // spreads renewals over time; nothing secret is drawn
	"net/http"

	"github.com/rs/zerolog"

	"sealcar/apikey"
	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
)

// credentials are a route's API keys for requests that carry none.
type credentials struct {
	keys  ark.Credentials // nil: every request brings its own
	close func()
}

// newCredentials makes them from the configuration. Those that ask the control
// plane go out as the route does.
func newCredentials(c *config.Config, r config.Route, out http.RoundTripper, log zerolog.Logger) (credentials, error) {
	nothing := func() {}
	from := r.Credentials
	switch from.Source {
	case "request":
		return credentials{nil, nothing}, nil
	case "file":
		file, err := apikey.NewFile(from.APIKeyFile)
		if err != nil {
			return credentials{}, fmt.Errorf("credentials.api_key_file: %w", err)
		}
		return credentials{file, nothing}, nil
	case "openapi":
		issuer := &apikey.Issuer{
			Host:        from.Host,
			Region:      from.Region,
			Project:     from.Project,
			Duration:    from.Duration,
			Client:      &http.Client{Transport: out},
			Credentials: credentialFiles(from).Read,
		}
		cache := apikey.NewCache(apikey.CacheConfig{
			Issue:   issuer.Issue,
			Timeout: c.Timeouts.Certificate, // both are one small question ahead of a request
			Jitter:  rand.Float64,
			Report:  func(err error) { log.Warn().Err(err).Msg("API key") },
		})
		return credentials{cache, cache.Close}, nil
	default:
		return credentials{}, fmt.Errorf("credentials.source %q is unknown", from.Source)
	}
}

func credentialFiles(c config.Credentials) volcsign.Files {
	return volcsign.Files{Setting: "credentials", AccessKey: c.AccessKeyFile, SecretKey: c.SecretKeyFile, SecurityToken: c.SecurityTokenFile}
}
