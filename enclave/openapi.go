package enclave

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
)

const (
	openAPIService = "ark"
	openAPIVersion = "2024-01-01"

	actionCertificate = "GetEndpointCertificate"
	actionAPIKey      = "GetApiKey"

	maxKeyDuration  = 2592000 // seconds; GetApiKey's own limit
	maxKeyResources = 100
)

// openAPIError is an error of the control plane. The codes are the platform's
// common ones (docs.byteplus.com, "Common error codes").
type openAPIError struct {
	status  int
	CodeN   int `json:",omitempty"`
	Code    string
	Message string
}

// openAPIReply is the one form of the control plane's answers.
type openAPIReply struct {
	ResponseMetadata openAPIMetadata
	Result           any `json:",omitempty"`
}

type openAPIMetadata struct {
	RequestID string `json:"RequestId"`
	Action    string
	Version   string
	Service   string
	Region    string
	Error     *openAPIError `json:",omitempty"`
}

// serveOpenAPI is the control plane: POST /?Action=…&Version=2024-01-01, signed
// with the access key.
func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	reply := openAPIReply{ResponseMetadata: openAPIMetadata{
		RequestID: rand.Text(),
		Action:    q.Get("Action"), Version: q.Get("Version"),
		Service: openAPIService, Region: s.o.Region,
	}}
	status := http.StatusOK
	if result, fault := s.act(w, r, q); fault != nil {
		status, reply.ResponseMetadata.Error = fault.status, fault
	} else {
		reply.Result = result
	}
	writeJSON(w, status, reply)
}

func (s *Server) act(w http.ResponseWriter, r *http.Request, q url.Values) (any, *openAPIError) {
	for _, name := range []string{"Action", "Version"} {
		if q.Get(name) == "" {
			return nil, missingParameter(name)
		}
	}
	body, err := readControl(w, r)
	if err != nil {
		status, message := unreadable(err)
		return nil, &openAPIError{status: status, Code: "InvalidRequest", Message: message}
	}
	if _, err := s.signatures.Verify(r, body); err != nil {
		return nil, signatureFault(err)
	}
	if q.Get("Version") == openAPIVersion {
		switch q.Get("Action") {
		case actionCertificate:
			return s.endpointCertificate(r.Host, body)
		case actionAPIKey:
			return s.apiKey(body)
		}
	}
	return nil, &openAPIError{http.StatusNotFound, 100008, "InvalidActionOrVersion", "the enclave knows " + actionCertificate + " and " + actionAPIKey + " of version " + openAPIVersion}
}

// endpointCertificate is GetEndpointCertificate.
func (s *Server) endpointCertificate(host string, body []byte) (any, *openAPIError) {
	var request struct{ Id, Type string } //nolint:revive // the API's own spelling
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, invalidParameter("the body is not a JSON object with Id")
	}
	if request.Id == "" {
		return nil, missingParameter("Id")
	}
	p := s.pki.Load()
	leaf, ok := p.leafFor(request.Type)
	if !ok {
		return nil, invalidParameter("Type is to be left out, or " + ark.AICCVersion)
	}
	return struct {
		PCAHost, PCAName                                                  string
		PCAInstanceCertificate, PCASubCACertificate, PCARootCACertificate string
		NotBefore, NotAfter                                               int64
	}{
		PCAHost: host, PCAName: leaf.Subject.CommonName,
		PCAInstanceCertificate: string(encodePEM(leaf)),
		PCASubCACertificate:    string(encodePEM(p.subCA)),
		PCARootCACertificate:   string(encodePEM(p.root)),
		NotBefore:              leaf.NotBefore.Unix(), NotAfter: leaf.NotAfter.Unix(),
	}, nil
}

// apiKey is GetApiKey.
func (s *Server) apiKey(body []byte) (any, *openAPIError) {
	var request struct {
		DurationSeconds *int64
		ResourceType    string
		ResourceIds     []string //nolint:revive // the API's own spelling
		ProjectName     string
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, invalidParameter("the body is not a JSON object with DurationSeconds, ResourceType and ResourceIds")
	}
	switch d := request.DurationSeconds; {
	case d == nil:
		return nil, missingParameter("DurationSeconds")
	case *d < 0 || *d > maxKeyDuration:
		return nil, invalidParameter("DurationSeconds is not between 0 and 2592000")
	case request.ResourceType == "":
		return nil, missingParameter("ResourceType")
	case !slices.Contains([]string{"endpoint", "presetendpoint", "bot"}, request.ResourceType):
		return nil, invalidParameter("ResourceType is not endpoint, presetendpoint or bot")
	case len(request.ResourceIds) == 0 || slices.Contains(request.ResourceIds, ""):
		return nil, missingParameter("ResourceIds")
	case len(request.ResourceIds) > maxKeyResources:
		return nil, invalidParameter("ResourceIds has more than 100 elements")
	case request.ResourceType == "presetendpoint" && request.ProjectName == "":
		return nil, missingParameter("ProjectName")
	}
	expiry := s.o.Now().Add(time.Duration(*request.DurationSeconds) * time.Second)
	return struct {
		ApiKey      string //nolint:revive // the API's own spelling
		ExpiredTime int64
	}{s.credentials.temporaryKey(expiry), expiry.Unix()}, nil
}

func missingParameter(name string) *openAPIError {
	return &openAPIError{http.StatusBadRequest, 100002, "MissingParameter", "the request is missing the parameter " + name}
}

func invalidParameter(message string) *openAPIError {
	return &openAPIError{status: http.StatusBadRequest, Code: "InvalidParameter", Message: message}
}

// signatureFault says in the platform's words why a signature is refused.
func signatureFault(err error) *openAPIError {
	for _, f := range []struct {
		cause error
		fault openAPIError
	}{
		{volcsign.ErrMissing, openAPIError{http.StatusUnauthorized, 100003, "MissingAuthenticationToken", ""}},
		{volcsign.ErrExpired, openAPIError{http.StatusBadRequest, 100006, "InvalidTimestamp", ""}},
		{volcsign.ErrUnknownAccessKey, openAPIError{http.StatusUnauthorized, 100009, "InvalidAccessKey", ""}},
	} {
		if errors.Is(err, f.cause) {
			f.fault.Message = err.Error()
			return &f.fault
		}
	}
	return &openAPIError{http.StatusUnauthorized, 100010, "SignatureDoesNotMatch", err.Error() + "; check the secret key and the region"}
}
