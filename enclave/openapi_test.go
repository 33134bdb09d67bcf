package enclave_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/crypto/ark"
	"sealcar/crypto/volcsign"
	"sealcar/enclave"
)

// openAPIAnswer is what every call of the control plane answers with.
type openAPIAnswer struct {
	ResponseMetadata struct {
		RequestID                        string `json:"RequestId"`
		Action, Version, Service, Region string
		Error                            *struct {
			CodeN         int
			Code, Message string
		}
	}
	Result struct {
		PCAHost, PCAName, PCAInstanceCertificate  string
		PCASubCACertificate, PCARootCACertificate string
		NotBefore, NotAfter                       int64
		APIKey                                    string `json:"ApiKey"`
		ExpiredTime                               int64
	}
}

func (r *running) signer(t *testing.T, now func() time.Time) *volcsign.Signer {
	t.Helper()
	return &volcsign.Signer{
		Credentials: volcsign.Credentials{AccessKey: readFile(t, r.dir, "ak"), SecretKey: readFile(t, r.dir, "sk")},
		Region:      "cn-beijing", Service: "ark", Now: now,
	}
}

// act calls the control plane; spoil, if any, changes the signed request.
func (r *running) act(t *testing.T, s *volcsign.Signer, query, body string, spoil func(*http.Request)) (reply, openAPIAnswer) {
	t.Helper()
	req := r.request(t, http.MethodPost, "/?"+query, body)
	req.Header.Del("Authorization")
	if err := s.Sign(req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		spoil(req)
	}
	got := r.do(t, req)
	return got, decode[openAPIAnswer](t, got.body)
}

const (
	getCertificate = "Action=GetEndpointCertificate&Version=2024-01-01"
	getAPIKey      = "Action=GetApiKey&Version=2024-01-01"
)

func TestOpenAPIHandsOutTheCertificate(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	got, answer := e.act(t, e.signer(t, nil), getCertificate, `{"Id":"ep-1"}`, nil)
	if got.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	meta, result := answer.ResponseMetadata, answer.Result
	if meta.Action != "GetEndpointCertificate" || meta.Version != "2024-01-01" || meta.Service != "ark" || meta.Region != "cn-beijing" || meta.RequestID == "" || meta.Error != nil {
		t.Errorf("metadata: %+v", meta)
	}
	leaf := verified(t, e.dir, result.PCAInstanceCertificate)
	if !leaf.Equal(e.endpoint(t, `{"model":"ep-1"}`)) {
		t.Error("the data plane hands out another certificate")
	}
	if result.NotBefore != leaf.NotBefore.Unix() || result.NotAfter != leaf.NotAfter.Unix() || result.PCAName != leaf.Subject.CommonName || result.PCAHost == "" {
		t.Errorf("result: %+v", result)
	}
	if roots := readFile(t, e.dir, "roots.pem"); strings.TrimSpace(result.PCARootCACertificate+result.PCASubCACertificate) != roots {
		t.Error("root and sub CA are not those of roots.pem")
	}
	_, answer = e.act(t, e.signer(t, nil), getCertificate, `{"Id":"ep-1","Type":"AICCv0.1"}`, nil)
	if _, err := ark.NewCertificate(verified(t, e.dir, answer.Result.PCAInstanceCertificate), true); err != nil {
		t.Error(err)
	}
}

func TestOpenAPIRefusesBadSignatures(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	tests := map[string]struct {
		signer func(*volcsign.Signer)
		spoil  func(*http.Request)
		status int
		code   string
		number int
	}{
		"unsigned":         {spoil: func(r *http.Request) { r.Header.Del("Authorization") }, status: 401, code: "MissingAuthenticationToken", number: 100003},
		"an API key":       {spoil: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+e.apiKey) }, status: 401, code: "SignatureDoesNotMatch", number: 100010},
		"another action":   {spoil: func(r *http.Request) { r.URL.RawQuery = getAPIKey }, status: 401, code: "SignatureDoesNotMatch", number: 100010},
		"another body":     {spoil: func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }, status: 401, code: "SignatureDoesNotMatch", number: 100010},
		"another secret":   {signer: func(s *volcsign.Signer) { s.SecretKey += "x" }, status: 401, code: "SignatureDoesNotMatch", number: 100010},
		"another region":   {signer: func(s *volcsign.Signer) { s.Region = "cn-shanghai" }, status: 401, code: "SignatureDoesNotMatch", number: 100010},
		"another service":  {signer: func(s *volcsign.Signer) { s.Service = "ecs" }, status: 401, code: "SignatureDoesNotMatch", number: 100010},
		"another key":      {signer: func(s *volcsign.Signer) { s.AccessKey = "AKLTother" }, status: 401, code: "InvalidAccessKey", number: 100009},
		"signed yesterday": {signer: func(s *volcsign.Signer) { s.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) } }, status: 400, code: "InvalidTimestamp", number: 100006},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := e.signer(t, nil)
			if tc.signer != nil {
				tc.signer(s)
			}
			got, answer := e.act(t, s, getCertificate, `{"Id":"ep-1"}`, tc.spoil)
			fault := answer.ResponseMetadata.Error
			if got.StatusCode != tc.status || fault == nil || fault.Code != tc.code || fault.CodeN != tc.number || fault.Message == "" {
				t.Errorf("status %d, want %d and %s: %s", got.StatusCode, tc.status, tc.code, got.body)
			}
			if strings.Contains(string(got.body), "BEGIN CERTIFICATE") || strings.Contains(string(got.body), s.SecretKey) {
				t.Errorf("the answer holds too much: %s", got.body)
			}
		})
	}
}

func TestOpenAPIRefusesBadRequests(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	key := func(members string) string {
		return `{"DurationSeconds":60,"ResourceType":"endpoint","ResourceIds":["ep-1"]` + members + `}` // later members win
	}
	tests := map[string]struct {
		query, body string
		status      int
		code, names string // names has to be in the message
	}{
		"no action":       {"Version=2024-01-01", `{}`, 400, "MissingParameter", "Action"},
		"no version":      {"Action=GetApiKey", `{}`, 400, "MissingParameter", "Version"},
		"unknown action":  {"Action=DeleteAll&Version=2024-01-01", `{}`, 404, "InvalidActionOrVersion", ""},
		"unknown version": {"Action=GetApiKey&Version=2020-01-01", `{}`, 404, "InvalidActionOrVersion", ""},
		"no id":           {getCertificate, `{}`, 400, "MissingParameter", "Id"},
		"unknown type":    {getCertificate, `{"Id":"ep-1","Type":"x"}`, 400, "InvalidParameter", "Type"},
		"no JSON":         {getCertificate, `Id=ep-1`, 400, "InvalidParameter", ""},
		"huge":            {getCertificate, strings.Repeat(" ", 1<<20), 413, "InvalidRequest", ""},
		"no duration":     {getAPIKey, `{"ResourceType":"endpoint","ResourceIds":["ep-1"]}`, 400, "MissingParameter", "DurationSeconds"},
		"negative":        {getAPIKey, key(`,"DurationSeconds":-1`), 400, "InvalidParameter", "DurationSeconds"},
		"too long":        {getAPIKey, key(`,"DurationSeconds":2592001`), 400, "InvalidParameter", "DurationSeconds"},
		"no type":         {getAPIKey, key(`,"ResourceType":""`), 400, "MissingParameter", "ResourceType"},
		"a model":         {getAPIKey, key(`,"ResourceType":"model"`), 400, "InvalidParameter", "ResourceType"},
		"no resources":    {getAPIKey, key(`,"ResourceIds":[]`), 400, "MissingParameter", "ResourceIds"},
		"empty resource":  {getAPIKey, key(`,"ResourceIds":["ep-1",""]`), 400, "MissingParameter", "ResourceIds"},
		"many resources":  {getAPIKey, key(`,"ResourceIds":["a"` + strings.Repeat(`,"a"`, 100) + `]`), 400, "InvalidParameter", "ResourceIds"},
		"no project":      {getAPIKey, key(`,"ResourceType":"presetendpoint"`), 400, "MissingParameter", "ProjectName"},
		"a word":          {getAPIKey, key(`,"DurationSeconds":"60"`), 400, "InvalidParameter", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, answer := e.act(t, e.signer(t, nil), tc.query, tc.body, nil)
			fault := answer.ResponseMetadata.Error
			if got.StatusCode != tc.status || fault == nil || fault.Code != tc.code || !strings.Contains(fault.Message, tc.names) {
				t.Errorf("status %d, want %d and %s: %s", got.StatusCode, tc.status, tc.code, got.body)
			}
			if answer.Result.APIKey != "" {
				t.Error("a key was given all the same")
			}
		})
	}
}

// TestTemporaryKeyIsGoodUntilItExpires also restarts the enclave, which keeps
// nothing of the key.
func TestTemporaryKeyIsGoodUntilItExpires(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	clock.Store(time.Now().Unix())
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	first := start(t, enclave.Options{Now: now})
	got, answer := first.act(t, first.signer(t, now), getAPIKey, `{"DurationSeconds":600,"ResourceType":"endpoint","ResourceIds":["ep-1"]}`, nil)
	if got.StatusCode != http.StatusOK || answer.Result.ExpiredTime != clock.Load()+600 {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	key := answer.Result.APIKey
	second := start(t, enclave.Options{StateDir: first.dir, Now: now})
	stranger := start(t, enclave.Options{Now: now})
	models := func(e *running, key string) int {
		return e.do(t, e.request(t, http.MethodGet, "/api/v3/models", "", "Authorization", "Bearer "+key)).StatusCode
	}
	for _, e := range []*running{first, second} {
		if status := models(e, key); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if status := models(stranger, key); status != http.StatusUnauthorized {
		t.Errorf("another enclave: status %d", status)
	}
	for i := len("sk-enclave-tmp-"); i < len(key); i += 7 {
		forged := []byte(key)
		forged[i] ^= 1
		if status := models(first, string(forged)); status != http.StatusUnauthorized {
			t.Errorf("changed at %d: status %d", i, status)
		}
	}
	clock.Add(599)
	if status := models(second, key); status != http.StatusOK {
		t.Errorf("a second before its end: status %d", status)
	}
	clock.Add(1)
	if status := models(second, key); status != http.StatusUnauthorized {
		t.Errorf("at its end: status %d", status)
	}
}

func TestTemporaryKeyGetsTheCertificate(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	_, answer := e.act(t, e.signer(t, nil), getAPIKey, `{"DurationSeconds":604800,"ResourceType":"presetendpoint","ResourceIds":["doubao"],"ProjectName":"default"}`, nil)
	e.apiKey = answer.Result.APIKey
	e.endpoint(t, `{"model":"doubao"}`)
}

func TestRegionIsASetting(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{Region: "ap-southeast-1"})
	s := e.signer(t, nil)
	s.Region = "ap-southeast-1"
	got, answer := e.act(t, s, getCertificate, `{"Id":"ep-1"}`, nil)
	if got.StatusCode != http.StatusOK || answer.ResponseMetadata.Region != "ap-southeast-1" {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}
