package apikey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sealcar/apierror"
	"sealcar/crypto/volcsign"
	"sealcar/filemode"
)

// The call, as the control plane knows it.
const (
	service = "ark"
	action  = "GetApiKey"
	version = "2024-01-01"

	maxReply      = 64 << 10 // bytes
	maxRetryAfter = time.Hour
)

// Resource is what a temporary key is good for.
type Resource struct {
	Type string // endpoint, presetendpoint, bot
	ID   string
}

// ResourceOf tells the resource by the name that requests have for a model:
// ep-m-… and names of models are preset endpoints, other ep-… endpoints, bot-…
// bots, as the vendor's SDKs have it.
func ResourceOf(model string) Resource {
	switch {
	case strings.HasPrefix(model, "bot-"):
		return Resource{"bot", model}
	case strings.HasPrefix(model, "ep-") && !strings.HasPrefix(model, "ep-m-"):
		return Resource{"endpoint", model}
	default:
		return Resource{"presetendpoint", model}
	}
}

// Key is a temporary API key.
type Key struct {
	Value   string
	Expires time.Time
}

// Issuer asks the control plane for temporary keys.
type Issuer struct {
	Host        string                               // host[:port], always https
	Region      string                               // e.g. cn-beijing
	Project     string                               // that preset endpoints belong to
	Duration    time.Duration                        // how long keys are to last; at most 30 days
	Client      *http.Client                         // required; its Transport decides TLS and egress, redirects are never followed
	Credentials func() (volcsign.Credentials, error) // required; asked at each call, so that rotated ones are seen
	Now         func() time.Time                     // nil = time.Now
}

// Issue asks for a key. Its errors are *apierror.Error: 502 api_key_refused when
// the settings are wrong, 503 api_key_unavailable for all that may pass.
func (i *Issuer) Issue(ctx context.Context, r Resource) (Key, error) {
	credentials, err := i.Credentials()
	if err != nil {
		return Key{}, i.fault(r, "its access key cannot be read", err)
	}
	req, err := i.request(ctx, r, credentials)
	if err != nil {
		return Key{}, i.fault(r, "the request cannot be signed", err)
	}
	client := *i.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return Key{}, i.fault(r, "the control plane could not be reached", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return Key{}, i.fault(r, "the control plane's answer broke off", err)
	}
	if len(body) > maxReply {
		return Key{}, i.fault(r, fmt.Sprintf("the control plane's answer is over %d bytes", maxReply), nil)
	}
	return i.read(r, resp, body)
}

func (i *Issuer) request(ctx context.Context, r Resource, c volcsign.Credentials) (*http.Request, error) {
	ask := struct {
		DurationSeconds int64
		ResourceType    string
		ResourceIDs     []string `json:"ResourceIds"`
		ProjectName     string   `json:",omitempty"`
	}{DurationSeconds: int64(i.Duration / time.Second), ResourceType: r.Type, ResourceIDs: []string{r.ID}}
	if r.Type == "presetendpoint" {
		ask.ProjectName = i.Project
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	target := url.URL{Scheme: "https", Host: i.Host, Path: "/", RawQuery: url.Values{"Action": {action}, "Version": {version}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	signer := volcsign.Signer{Credentials: c, Region: i.Region, Service: service, Now: i.Now}
	return req, signer.Sign(req, body)
}

// read takes the key out of the control plane's answer. Of a refusal only the
// code is repeated: it is from a fixed vocabulary, the words are anybody's.
func (i *Issuer) read(r Resource, resp *http.Response, body []byte) (Key, error) {
	var doc struct {
		ResponseMetadata struct{ Error *struct{ Code string } }
		Result           struct {
			APIKey      string `json:"ApiKey"`
			ExpiredTime int64
		}
	}
	err := json.Unmarshal(body, &doc)
	code := ""
	if err == nil && doc.ResponseMetadata.Error != nil {
		code = doc.ResponseMetadata.Error.Code
	}
	if resp.StatusCode != http.StatusOK || code != "" {
		return Key{}, i.refused(r, resp, code)
	}
	if err != nil {
		return Key{}, i.fault(r, "the control plane's answer is not the expected JSON", err)
	}
	key := Key{Value: doc.Result.APIKey, Expires: time.Unix(doc.Result.ExpiredTime, 0)}
	if err := filemode.CheckWord(key.Value); err != nil {
		return Key{}, i.fault(r, "the control plane's answer holds no usable key", err)
	}
	if !key.Expires.After(i.now()) {
		return Key{}, i.fault(r, "the key has expired already; check this machine's clock", nil)
	}
	return key, nil
}

// refused tells of an answer that is no key. 5xx and 429 may pass; the rest
// wants the operator.
func (i *Issuer) refused(r Resource, resp *http.Response, code string) error {
	what := strconv.Itoa(resp.StatusCode)
	if regexp.MustCompile(`^[A-Za-z.]{1,80}$`).MatchString(code) {
		what += " " + code
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests || code == "FlowLimitExceeded" {
		e := i.fault(r, "the control plane answered "+what, nil)
		if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
			e.RetryAfter = min(time.Duration(seconds)*time.Second, maxRetryAfter)
		}
		return e
	}
	return &apierror.Error{
		Status: http.StatusBadGateway, Code: "api_key_refused", NoRetry: true,
		Message: fmt.Sprintf("the control plane gives sealcar no API key for model %.100q (%s), so nothing was sent; check the model's name, the route's credentials (access_key_file, secret_key_file, project) and this machine's clock", r.ID, what),
	}
}

func (i *Issuer) fault(r Resource, what string, cause error) *apierror.Error {
	if e, ok := errors.AsType[*url.Error](cause); ok {
		cause = e.Err // the address is a setting's
	}
	return unavailable(fmt.Sprintf("sealcar could not get an API key for model %.100q: %s; nothing was sent. Try again, and check the route's credentials and the network", r.ID, what), cause)
}

func (i *Issuer) now() time.Time {
	if i.Now == nil {
		return time.Now()
	}
	return i.Now()
}
