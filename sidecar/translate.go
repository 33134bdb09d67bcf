package sidecar

import (
	"net/http"

	"sealcar/config"
	"sealcar/translate/tools"
)

// translations puts in front of the seal what is done to a route's requests
// before they are sealed, and undone in their replies. A request meets them from
// the last to the first: what is a chat in another form becomes one, tools go
// into its content, linked images are fetched.
func translations(c *config.Config, r config.Route, seal http.RoundTripper) (http.RoundTripper, error) {
	way, err := withImages(seal, c, r)
	if err != nil {
		return nil, err
	}
	return withDialects(withTools(way, c, r), c, r), nil
}

// withTools puts function calling into the content of messages, if the route
// says so.
func withTools(chats http.RoundTripper, c *config.Config, r config.Route) http.RoundTripper {
	if !r.MoveTools {
		return chats
	}
	return &tools.Transport{
		Base:            chats,
		MaxRequestBytes: int64(c.Limits.RequestBytes),
		MaxReplyBytes:   int64(c.Limits.ReplyBytes),
		MaxEventBytes:   int(c.Limits.EventBytes),
	}
}
