package ark

import (
	"context"
	"net/http"
	"strings"

	"sealcar/apierror"
)

// Credentials gives API keys for requests that carry none. Errors that an
// application should see in a certain way wrap an *apierror.Error. Safe for
// concurrent use.
type Credentials interface {
	// Credential is the API key for requests to a model. A request that names
	// none (a list of models) has model "", for which any key at hand will do,
	// or "" for none.
	Credential(ctx context.Context, model string) (key string, err error)
	// Renew asks whether stale, which Credential gave and the endpoint does not
	// accept, has been replaced: changed tells that key is another one. However
	// often it is called, keys are asked for now and then only.
	Renew(ctx context.Context, model, stale string) (key string, changed bool, err error)
}

// authorize gives the API key that a request goes out with, "" for none, and the
// headers that put it there if it is not the request's own.
func (t *Transport) authorize(req *http.Request, model string) (key string, further http.Header, err error) {
	own := bearer(req.Header)
	if t.Credentials == nil || own != "" && !t.ReplaceCredentials {
		return own, http.Header{}, nil
	}
	key, err = t.Credentials.Credential(req.Context(), model)
	if err != nil {
		return "", nil, err
	}
	if key == "" {
		return own, http.Header{}, nil
	}
	return key, authorization(key), nil
}

func authorization(key string) http.Header {
	return http.Header{"Authorization": {"Bearer " + key}}
}

// injected says whether the key stands in the further headers, so that it is
// ours and not the request's own.
func injected(further http.Header) bool { return len(further["Authorization"]) > 0 }

func missingKey() *apierror.Error {
	return &apierror.Error{
		Status: http.StatusUnauthorized, Code: "missing_api_key", Param: "Authorization",
		Message: "the request carries no API key, so nothing was sent; set the key in the application (Authorization: Bearer …), or the route's credentials in sealcar's configuration",
	}
}

// bearer is the request's API key, "" without one.
func bearer(h http.Header) string {
	scheme, key, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}
