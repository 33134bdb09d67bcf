package anthropic

import (
	"net/http"

	"sealcar/translate/dialect"
)

// modelsPath is where the API lists models, which the upstream does as well.
const modelsPath = "/models"

// asksForModels tells a question of one of this API's clients that holds no content.
func (t *Transport) asksForModels(req *http.Request) bool {
	if req.Method != http.MethodGet || FormOf(req.Header) == nil {
		return false
	}
	_, ok := t.cut(req.URL.Path, modelsPath)
	return ok
}

// models asks the upstream's own API, with the key where that looks for it. The
// answer passes as it is; an error has the form that the client reads.
func (t *Transport) models(req *http.Request) (*http.Response, error) {
	below, _ := t.cut(req.URL.Path, modelsPath)
	out := asChat(req)
	out.URL.Path, out.URL.RawPath = t.BasePath+modelsPath+below, ""
	out.Header.Set("Accept-Encoding", "identity") // an error is read here
	resp, err := t.Base.RoundTrip(out)
	if err != nil {
		return nil, inForm(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		if err := (dialect.Carrier{Settings: t.Settings, Error: document}).Refusal(resp); err != nil {
			_ = resp.Body.Close()
			return nil, inForm(err)
		}
	}
	identify(resp)
	return resp, nil
}
