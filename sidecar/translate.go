package sidecar

import (
	"net/http"
	"slices"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/payload"
	"sealcar/translate/models"
	"sealcar/translate/responses"
	"sealcar/translate/tools"
)

// translations puts in front of the seal what is done to a route's requests
// before they are sealed, and undone in their replies. A request meets them from
// the last to the first: what is a chat in another form becomes one, its model
// gets the upstream's name, tools go into its content, linked images are fetched.
func translations(c *config.Config, r config.Route, seal *ark.Transport, known *responses.References) (http.RoundTripper, error) {
	way, err := withImages(seal, c, r)
	if err != nil {
		return nil, err
	}
	return withDialects(withModels(withTools(way, c, r), c, r), c, r, known), nil
}

// withTools puts function calling into the content of messages, if the route
// says so.
func withTools(chats http.RoundTripper, c *config.Config, r config.Route) http.RoundTripper {
	if !r.MoveTools {
		return chats
	}
	return &tools.Transport{Base: chats, Applies: postsInClear(ark.SealablePaths()), MaxRequestBytes: int64(c.Limits.RequestBytes), MaxValues: c.Limits.JSONValues, ReplyLimits: replyLimits(c)}
}

// withModels exchanges the names that applications have for models, if the route
// says so.
func withModels(chats http.RoundTripper, c *config.Config, r config.Route) http.RoundTripper {
	if len(r.Models) == 0 {
		return chats
	}
	names := make(map[string]string, len(r.Models))
	for _, m := range r.Models {
		names[m.From] = m.To
	}
	return &models.Transport{
		Base:            chats,
		Names:           names,
		Applies:         postsInClear(slices.Concat(ark.SealablePaths(), r.UnsafePlaintextPaths)),
		MaxRequestBytes: int64(c.Limits.RequestBytes),
		ReplyLimits:     replyLimits(c),
	}
}

// postsInClear tells the requests for one of the paths, exact, that the
// application did not seal itself: only those can be read and changed.
func postsInClear(paths []string) func(*http.Request) bool {
	return func(req *http.Request) bool {
		_, sealed := req.Header[ark.HeaderSessionToken]
		return !sealed && req.Method == http.MethodPost && slices.Contains(paths, req.URL.Path)
	}
}

func replyLimits(c *config.Config) payload.Limits {
	return payload.Limits{Reply: int64(c.Limits.ReplyBytes), Event: int(c.Limits.EventBytes)}
}
