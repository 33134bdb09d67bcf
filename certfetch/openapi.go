package certfetch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
)

// The OpenAPI as Volcengine runs it for mainland China, and the call in it.
const (
	defaultHost    = "open.volcengineapi.com"
	defaultRegion  = "cn-beijing"
	openAPIService = "ark"
	openAPIAction  = "GetEndpointCertificate"
	openAPIVersion = "2024-01-01"
)

// OpenAPISource asks the control plane, signed with an access key of its own.
// The answer brings the sub CA along, which helps to find the path to a root
// and is not trusted by itself; the root in it is not looked at.
type OpenAPISource struct {
	Host        string                               // host[:port], always https; "" = open.volcengineapi.com
	Region      string                               // "" = cn-beijing
	Client      *http.Client                         // required; its Transport decides TLS and egress, redirects are never followed
	Credentials func() (volcsign.Credentials, error) // required; asked at each fetch, so that rotated secrets are seen
	Now         func() time.Time                     // of the signature; nil = time.Now
}

// Fetch implements Source (ark-v1, "Getting the certificate", B).
func (s *OpenAPISource) Fetch(ctx context.Context, q ark.Query) ([]*x509.Certificate, error) {
	c := call{
		client: s.Client,
		host:   cmp.Or(s.Host, defaultHost),
		model:  q.Model,
		check:  "certificate.access_key_file, certificate.secret_key_file and this machine's clock",
	}
	keys, err := s.Credentials()
	if err != nil {
		return nil, c.unavailable("sealcar's access key cannot be read", err)
	}
	c.secrets = []string{keys.SecretKey, keys.SessionToken, keys.AccessKey}
	req, err := s.request(ctx, c.host, q, keys)
	if err != nil {
		return nil, c.unavailable("the request cannot be signed", err)
	}
	r, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return c.readOpenAPIReply(r)
}

func (s *OpenAPISource) request(ctx context.Context, host string, q ark.Query, keys volcsign.Credentials) (*http.Request, error) {
	query := url.Values{"Action": {openAPIAction}, "Version": {openAPIVersion}}
	target := url.URL{Scheme: "https", Host: host, Path: "/", RawQuery: query.Encode()}
	body, err := openAPIBody(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("OpenAPI host %q: %w", host, err)
	}
	req.Header.Set("Content-Type", "application/json")
	signer := volcsign.Signer{
		Credentials: keys,
		Region:      cmp.Or(s.Region, defaultRegion), Service: openAPIService, Now: s.Now,
	}
	if err := signer.Sign(req, body); err != nil {
		return nil, err
	}
	return req, nil
}

func openAPIBody(q ark.Query) ([]byte, error) {
	body := struct {
		ID   string `json:"Id"`
		Type string `json:",omitempty"`
	}{ID: q.Model}
	if q.AICC {
		body.Type = ark.AICCVersion
	}
	return encode(q.Model, body)
}

func (c call) readOpenAPIReply(r *reply) ([]*x509.Certificate, error) {
	var doc struct {
		ResponseMetadata struct {
			Error *struct{ Code, Message string }
		}
		Result struct {
			PCAInstanceCertificate, PCASubCACertificate string
		}
	}
	err := json.Unmarshal(r.body, &doc)
	switch {
	case err == nil && doc.ResponseMetadata.Error != nil:
		e := doc.ResponseMetadata.Error
		return nil, c.refused(r, gatewayStatus(r.status, e.Code), e.Code+": "+e.Message)
	case r.status != http.StatusOK:
		return nil, c.refused(r, r.status, "")
	case err != nil:
		return nil, c.unavailable("its answer is not the expected JSON", err)
	case doc.Result.PCAInstanceCertificate == "":
		return nil, c.unavailable("its answer holds no certificate", nil)
	}
	chain, err := ParseChain([]byte(doc.Result.PCAInstanceCertificate + "\n" + doc.Result.PCASubCACertificate))
	if err != nil {
		return nil, c.unavailable("its answer holds no usable certificate", err)
	}
	return chain, nil
}

// gatewayStatus gives the status of an OpenAPI error. The gateway sends it as
// the HTTP status; where that says success, the code decides (vendor document
// 公共错误码, and its BytePlus counterpart).
func gatewayStatus(status int, code string) int {
	if status >= http.StatusMultipleChoices {
		return status
	}
	switch code {
	case "MissingAuthenticationToken", "MissingSignature", "InvalidAccessKey", "SignatureDoesNotMatch", "InvalidCredential":
		return http.StatusUnauthorized
	case "InvalidTimestamp", "LackPolicy", "AccessDenied":
		return http.StatusForbidden
	case "FlowLimitExceeded":
		return http.StatusTooManyRequests
	default:
		return refusalStatus(status)
	}
}
