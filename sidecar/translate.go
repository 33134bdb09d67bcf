package sidecar

import (
	"net/http"

	"sealcar/config"
	"sealcar/translate/tools"
)

// translated is the way of a route's requests to sealing: what is done to them
// before, and undone in their replies.
func translated(c *config.Config, r config.Route, sealing http.RoundTripper) http.RoundTripper {
	way := sealing
	if r.MoveTools {
		way = &tools.Transport{
			Base:            way,
			MaxRequestBytes: int64(c.Limits.RequestBytes),
			MaxReplyBytes:   int64(c.Limits.ReplyBytes),
			MaxEventBytes:   int(c.Limits.EventBytes),
		}
	}
	return way
}
