package certfetch

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"sealcar/apierror"
	"sealcar/crypto/ark"
)

// APIKeySource asks the data plane with the request's own API key. The answer
// is the leaf alone; the chain is completed from the Verifier's roots.
type APIKeySource struct {
	BaseURL string       // e.g. https://ark.cn-beijing.volces.com/api/v3
	Client  *http.Client // required; its Transport decides TLS and egress, redirects are never followed
}

// CheckCredential refuses a query without an API key: 401 missing_api_key.
func (s *APIKeySource) CheckCredential(q ark.Query) error {
	if q.Credential != "" {
		return nil
	}
	return &apierror.Error{
		Status:  http.StatusUnauthorized,
		Code:    "missing_api_key",
		Message: "the request has no API key, and sealcar needs it to get the model's certificate; send Authorization: Bearer <key>, or set certificate.source to openapi or file",
		Param:   "Authorization",
	}
}

// Fetch implements Source (ark-v1, "Getting the certificate", A).
func (s *APIKeySource) Fetch(ctx context.Context, q ark.Query) ([]*x509.Certificate, error) {
	if err := s.CheckCredential(q); err != nil {
		return nil, err
	}
	c := call{client: s.Client, model: q.Model, check: "the request's API key", secrets: []string{q.Credential}}
	req, err := s.request(ctx, q)
	if err != nil {
		return nil, c.unavailable("its address cannot be used", err)
	}
	c.host = req.URL.Host
	r, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return c.readAPIKeyReply(r)
}

func (s *APIKeySource) request(ctx context.Context, q ark.Query) (*http.Request, error) {
	target, err := url.JoinPath(s.BaseURL, ark.CertificateToken) // the token is the path below the base
	if err != nil {
		return nil, fmt.Errorf("certificate endpoint %q: %w", s.BaseURL, err)
	}
	body, err := apiKeyBody(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("certificate endpoint %q: %w", s.BaseURL, err)
	}
	req.Header.Set("Authorization", "Bearer "+q.Credential)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(ark.HeaderSessionToken, ark.CertificateToken)
	return req, nil
}

func apiKeyBody(q ark.Query) ([]byte, error) {
	body := struct {
		Model string `json:"model"`
		Type  string `json:"type,omitempty"`
	}{Model: q.Model}
	if q.AICC {
		body.Type = ark.AICCVersion
	}
	return encode(q.Model, body)
}

func (c call) readAPIKeyReply(r *reply) ([]*x509.Certificate, error) {
	var doc struct {
		Certificate string
		Error       *struct{ Message string }
	}
	err := json.Unmarshal(r.body, &doc)
	switch {
	case err == nil && doc.Error != nil:
		return nil, c.refused(r, refusalStatus(r.status), doc.Error.Message)
	case r.status != http.StatusOK:
		return nil, c.refused(r, r.status, "")
	case err != nil:
		return nil, c.unavailable("its answer is not the expected JSON", err)
	}
	chain, err := ParseChain([]byte(doc.Certificate))
	if err != nil {
		return nil, c.unavailable("its answer holds no usable certificate", err)
	}
	return chain, nil
}

// refusalStatus is what an error document counts as that comes with a status of
// success: a refusal without a reason we know.
func refusalStatus(status int) int {
	if status < http.StatusMultipleChoices {
		return http.StatusBadRequest
	}
	return status
}
