package anthropic

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/translate/dialect"
)

// Path is where the API's endpoints are, below the base path. The SDKs put /v1
// before it, which a base path may have mapped already.
const Path = "/messages"

// Transport carries POST /messages as a chat that its Base seals, and GET /models
// of the API's clients as the upstream's own. Everything else it passes on to Base
// as it is, but for what the API has further below /messages, which it refuses.
//
// Faults of a request or of a reply are *apierror.Error in Anthropic's form; a
// stream that fails ends in an error event and then in a read error.
type Transport struct{ dialect.Settings }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	below, ok := t.cut(req.URL.Path, Path)
	switch {
	case t.asksForModels(req):
		return t.models(req)
	case !ok:
		return t.Base.RoundTrip(req)
	case below == "" && req.Method == http.MethodPost:
		resp, err := dialect.Carrier{Settings: t.Settings, Translate: translate, Names: names(), Error: document}.Carry(asChat(req))
		if err != nil {
			return nil, inForm(err)
		}
		identify(resp)
		return resp, nil
	default:
		record := exchange.From(req.Context())
		record.Endpoint, record.Treatment = t.BasePath+Path, exchange.Refused
		return nil, inForm(&apierror.Error{Status: http.StatusBadRequest, Code: "endpoint_not_sealable", Message: fmt.Sprintf(
			"%s %.80s has no counterpart in sealed chats, so nothing was sent; of this API only POST /v1/messages can be used", req.Method, req.URL.Path)})
	}
}

// identify gives a reply the header in which the SDKs look for its id.
func identify(resp *http.Response) {
	if id := resp.Header.Get("X-Request-Id"); id != "" && resp.Header.Get("Request-Id") == "" {
		resp.Header.Set("Request-Id", id)
	}
}

// cut gives what a path has below one of the API's endpoints, "" or with a slash
// before it.
func (t *Transport) cut(path, endpoint string) (below string, ok bool) {
	for _, base := range []string{t.BasePath, t.BasePath + "/v1"} {
		if below, ok = strings.CutPrefix(path, base+endpoint); ok && (below == "" || below[0] == '/') {
			return below, true
		}
	}
	return "", false
}

// asChat gives the request the headers of a chat: the API key in the place where
// chats have it, and nothing that only Anthropic's servers understand.
func asChat(req *http.Request) *http.Request {
	out := req.Clone(req.Context())
	if keys := out.Header["X-Api-Key"]; len(keys) > 0 && out.Header.Get("Authorization") == "" {
		out.Header.Set("Authorization", "Bearer "+keys[0])
	}
	for name := range out.Header {
		if name == "X-Api-Key" || strings.HasPrefix(name, "Anthropic-") {
			out.Header.Del(name)
		}
	}
	if slices.Contains([]string{"beta=true", "beta=false"}, out.URL.RawQuery) { // what the SDKs' beta namespace adds
		out.URL.RawQuery = ""
	}
	return out
}
