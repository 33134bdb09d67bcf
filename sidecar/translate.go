package sidecar

import (
	"net/http"

	"sealcar/config"
	"sealcar/payload"
	"sealcar/translate/tools"
)

// translated is the way of a route's requests to sealing: what is done to them
// before, and undone in their replies.
func translated(c *config.Config, r config.Route, sealing http.RoundTripper) http.RoundTripper {
	if !r.MoveTools {
		return sealing
	}
	return &tools.Transport{
		Base:            sealing,
		MaxRequestBytes: int64(c.Limits.RequestBytes),
		ReplyLimits:     payload.Limits{Reply: int64(c.Limits.ReplyBytes), Event: int(c.Limits.EventBytes)},
	}
}
