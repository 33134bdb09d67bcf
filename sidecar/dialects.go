package sidecar

import (
	"net/http"
	"slices"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/translate/anthropic"
	"sealcar/translate/dialect"
	"sealcar/translate/responses"
)

// withDialects puts the translations of a route's dialects in front of what seals
// chats. An endpoint that may pass in clear does so: it was named by an unsafe
// setting, by somebody who wants the upstream's own.
func withDialects(chats http.RoundTripper, c *config.Config, r config.Route, known *responses.References) http.RoundTripper {
	s := dialect.Settings{
		Base:            chats,
		BasePath:        ark.BasePath,
		SealedBy:        ark.HeaderSessionToken,
		MaxRequestBytes: int64(c.Limits.RequestBytes),
		MaxReplyBytes:   int64(c.Limits.ReplyBytes),
		MaxEventBytes:   int(c.Limits.EventBytes),
		MaxValues:       c.Limits.JSONValues,
	}
	if translated(r, "responses", responses.Path) {
		s.Base = &responses.Transport{Settings: s, References: known}
	}
	if translated(r, "anthropic", anthropic.Path) {
		s.Base = &anthropic.Transport{Settings: s}
	}
	return s.Base
}

func translated(r config.Route, dialect, path string) bool {
	return slices.Contains(r.Dialects, dialect) && !slices.Contains(r.UnsafePlaintextPaths, ark.BasePath+path)
}
