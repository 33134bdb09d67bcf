package apikey_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sealcar/apikey"
	"sealcar/crypto/volcsign"
)

// now is the time of the tests of issuing.
func now() time.Time { return time.Unix(1_900_000_000, 0) }

const goodReply = `{"ResponseMetadata":{"RequestId":"r"},"Result":{"ApiKey":"sk-tmp","ExpiredTime":1900604800}}`

// plane is a control plane that answers everything alike and checks signatures.
func plane(t *testing.T, answer http.HandlerFunc) *apikey.Issuer {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return &apikey.Issuer{
		Host: strings.TrimPrefix(server.URL, "https://"), Region: "cn-beijing", Project: "p-1", Duration: 168 * time.Hour,
		Client: server.Client(),
		Credentials: func() (volcsign.Credentials, error) {
			return volcsign.Credentials{AccessKey: "AK", SecretKey: "canary-sk", SessionToken: "canary-sts"}, nil
		},
		Now: now,
	}
}

func TestAsksAsTheControlPlaneWants(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"ep-20240101-abc":   `{"DurationSeconds":604800,"ResourceType":"endpoint","ResourceIds":["ep-20240101-abc"]}`,
		"ep-m-20240101-abc": `{"DurationSeconds":604800,"ResourceType":"presetendpoint","ResourceIds":["ep-m-20240101-abc"],"ProjectName":"p-1"}`,
		"doubao-pro":        `{"DurationSeconds":604800,"ResourceType":"presetendpoint","ResourceIds":["doubao-pro"],"ProjectName":"p-1"}`,
		"bot-1":             `{"DurationSeconds":604800,"ResourceType":"bot","ResourceIds":["bot-1"]}`,
	}
	for model, want := range tests {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			issuer := plane(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				verifier := volcsign.Verifier{Secret: func(string) (string, bool) { return "canary-sk", true }, Region: "cn-beijing", Service: "ark", Now: now}
				if ak, err := verifier.Verify(r, body); err != nil || ak != "AK" {
					t.Errorf("signed by %q, %v", ak, err)
				}
				if got := r.URL.Query(); got.Get("Action") != "GetApiKey" || got.Get("Version") != "2024-01-01" || r.Method != http.MethodPost || r.URL.Path != "/" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				if r.Header.Get("X-Security-Token") != "canary-sts" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("headers %v", r.Header)
				}
				if string(body) != want {
					t.Errorf("asked for %s, want %s", body, want)
				}
				_, _ = io.WriteString(w, goodReply)
			})
			key, err := issuer.Issue(t.Context(), apikey.ResourceOf(model))
			if err != nil || key != (apikey.Key{Value: "sk-tmp", Expires: time.Unix(1_900_604_800, 0)}) {
				t.Errorf("got %+v, %v", key, err)
			}
		})
	}
}

func TestBadAnswersOfTheControlPlane(t *testing.T) {
	t.Parallel()
	refusal := func(code string) string {
		return fmt.Sprintf(`{"ResponseMetadata":{"Error":{"Code":%q,"Message":"you sent canary-sk"}}}`, code)
	}
	tests := map[string]struct {
		status   int
		body     string
		want     int
		code     string
		mentions string
	}{
		"no rights":           {403, refusal("AccessDenied"), 502, "api_key_refused", "403 AccessDenied"},
		"bad signature":       {401, refusal("SignatureDoesNotMatch"), 502, "api_key_refused", "401 SignatureDoesNotMatch"},
		"refusal in a 200":    {200, refusal("InvalidParameter.ResourceIds"), 502, "api_key_refused", "200 InvalidParameter.ResourceIds"},
		"a code that is none": {400, refusal("canary-sk is wrong"), 502, "api_key_refused", "(400)"},
		"HTML refusal":        {404, "<html>canary-sk", 502, "api_key_refused", "(404)"},
		"redirect":            {302, "", 502, "api_key_refused", "(302)"},
		"limited":             {429, refusal("FlowLimitExceeded"), 503, "api_key_unavailable", "429 FlowLimitExceeded"},
		"limited in a 200":    {200, refusal("FlowLimitExceeded"), 503, "api_key_unavailable", "FlowLimitExceeded"},
		"broken":              {500, "", 503, "api_key_unavailable", "answered 500"},
		"HTML":                {200, "<html>", 503, "api_key_unavailable", "not the expected JSON"},
		"no key":              {200, `{"Result":{"ExpiredTime":1900604800}}`, 503, "api_key_unavailable", "no usable key"},
		"a key of two lines":  {200, `{"Result":{"ApiKey":"sk\r\nX: y","ExpiredTime":1900604800}}`, 503, "api_key_unavailable", "no usable key"},
		"expired":             {200, `{"Result":{"ApiKey":"sk","ExpiredTime":1900000000}}`, 503, "api_key_unavailable", "clock"},
		"no expiry":           {200, `{"Result":{"ApiKey":"sk"}}`, 503, "api_key_unavailable", "clock"},
		"huge":                {200, `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, 503, "api_key_unavailable", "65536 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			issuer := plane(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			_, err := issuer.Issue(t.Context(), apikey.ResourceOf("ep-1"))
			e := wantCode(t, err, test.want, test.code)
			if !strings.Contains(e.Message, test.mentions) || !strings.Contains(e.Message, `"ep-1"`) {
				t.Errorf("message %q, want %q in it", e.Message, test.mentions)
			}
			if strings.Contains(err.Error(), "canary") || e.NoRetry != (test.want == 502) || asked != 1 {
				t.Errorf("%v, no retry %v, asked %d times", err, e.NoRetry, asked)
			}
			if waits := test.status >= 429 || strings.Contains(name, "limited"); waits != (e.RetryAfter == 7*time.Second) {
				t.Errorf("Retry-After %v", e.RetryAfter)
			}
		})
	}
}

func TestNoAnswerOfTheControlPlane(t *testing.T) {
	t.Parallel()
	issuer := plane(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := issuer.Issue(t.Context(), apikey.ResourceOf("ep-1"))
	e := wantCode(t, err, 503, "api_key_unavailable")
	if _, ok := errors.AsType[*url.Error](e.Cause); ok || e.Cause == nil {
		t.Errorf("cause %v", e.Cause)
	}
	issuer.Credentials = func() (volcsign.Credentials, error) { return volcsign.Credentials{}, errors.New("no such file") }
	_, err = issuer.Issue(t.Context(), apikey.ResourceOf("ep-1"))
	if e := wantCode(t, err, 503, "api_key_unavailable"); !strings.Contains(e.Message, "access key cannot be read") {
		t.Errorf("message %q", e.Message)
	}
	if doc := string(e.Document()); !json.Valid([]byte(doc)) {
		t.Errorf("document %s", doc)
	}
}
