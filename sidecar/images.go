package sidecar

import (
	"net/http"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/netguard"
	"sealcar/translate/images"
	"sealcar/upstream"
)

// withImages puts in front of what seals what fetches linked images, if the route
// says so.
func withImages(seal *ark.Transport, c *config.Config, r config.Route) (http.RoundTripper, error) {
	settings := r.InlineImages
	if !settings.Enabled {
		return seal, nil
	}
	out, err := upstream.NewGuarded(r, c.Timeouts, upstream.Bounds{
		Setting: "inline_images", HTTPS: true, AllowedHosts: settings.AllowedHosts, Reach: netguard.ReachOf(settings.Addresses),
	})
	if err != nil {
		return nil, err
	}
	return &images.Transport{
		Base:            seal,
		Out:             out,
		Applies:         postsInClear(ark.SealablePaths()),
		Judge:           seal.Judge,
		MaxImages:       settings.MaxImages,
		MaxBytes:        int64(settings.MaxBytes),
		MaxRequestBytes: int64(c.Limits.RequestBytes),
		Timeout:         settings.Timeout,
	}, nil
}
