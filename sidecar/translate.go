package sidecar

import (
	"net/http"
	"slices"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/payload"
	"sealcar/translate/models"
	"sealcar/translate/tools"
)

// translated is the way of a route's requests to sealing: what is done to them
// before, and undone in their replies.
func translated(c *config.Config, r config.Route, sealing http.RoundTripper) http.RoundTripper {
	way, replies := sealing, payload.Limits{Reply: int64(c.Limits.ReplyBytes), Event: int(c.Limits.EventBytes)}
	if r.MoveTools {
		way = &tools.Transport{Base: way, MaxRequestBytes: int64(c.Limits.RequestBytes), ReplyLimits: replies}
	}
	if len(r.Models) > 0 {
		names := make(map[string]string, len(r.Models))
		for _, m := range r.Models {
			names[m.From] = m.To
		}
		way = &models.Transport{
			Base:            way,
			Names:           names,
			Paths:           slices.Concat(ark.SealablePaths(), r.UnsafePlaintextPaths),
			MaxRequestBytes: int64(c.Limits.RequestBytes),
			ReplyLimits:     replies,
		}
	}
	return way
}
