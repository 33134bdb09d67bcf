package responses

import (
	"net/http"
	"strings"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/translate/dialect"
)

// Path is where the API's endpoints are, below the base path.
const Path = "/responses"

// Transport carries POST /responses as a chat that its Base seals, and passes
// everything else on to Base as it is, but for the endpoints of stored responses:
// there are none, which it says.
//
// Faults of a request or of a reply are *apierror.Error; a stream that fails ends
// in response.failed and error events and then in a read error.
type Transport struct {
	dialect.Settings

	References *References // what requests can refer to; nil means nothing
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	endpoint := t.BasePath + Path
	switch {
	case req.URL.Path == endpoint && req.Method == http.MethodPost:
		known := t.References.ownership(req)
		read := func(o *dialect.Object) (*dialect.Chat, dialect.Reply) { return translate(o, known) }
		return dialect.Carrier{Settings: t.Settings, Translate: read, Names: names()}.Carry(req)
	case strings.HasPrefix(req.URL.Path, endpoint+"/"):
		record := exchange.From(req.Context())
		record.Endpoint, record.Treatment = endpoint+"/{id}", exchange.Refused
		return nil, &apierror.Error{
			Status: http.StatusNotFound, Code: "not_stored",
			Message: "responses are translated to sealed chats and stored nowhere, so there is none to look up, cancel or count; send the whole conversation as input of POST /responses",
		}
	default:
		return t.Base.RoundTrip(req)
	}
}
