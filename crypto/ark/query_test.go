package ark_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/exchange"
)

func TestT26_AQueryStringIsJudgedLikeTheRest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query    string
		code     string // of the default policy; "" if it passes
		param    string
		reported string // under report
	}{
		"none":                 {"", "", "", ""},
		"nothing in it":        {"a=&b", "", "", ""},
		"numbers and switches": {"n=1.5&beta=true&x=-3", "", "", ""},
		"an API's version":     {"api-version=2024-10-21", "", "", ""},
		"text for a version":   {"api-version=tell+nobody", "unsealable_field", "?api-version", "?api-version"},
		"text":                 {"n=1&user=alice", "unsealable_field", "?user", "?user"},
		"more than one value":  {"n=1&n=2", "unsealable_field", "?n", "?n"},
		"text as a name":       {"tell%20nobody&x=1", "unsealable_field", `?["tell nobody"]`, "?[?]"},
		"a name of 64 bytes":   {strings.Repeat("n", 64) + "=1", "", "", ""},
		"a long name":          {strings.Repeat("n", 65) + "=1", "unsealable_field", `?["` + strings.Repeat("n", 64) + `…"]`, "?[?]"},
		"a long number":        {"n=" + strings.Repeat("1", 300), "unsealable_field", "?n", "?n"},
		"a semicolon":          {"a=1;b=2", "invalid_query", "?", ""},
		"a bad escape":         {"a=%zz", "invalid_query", "?", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			send := func(o ark.PolicyOptions) (header http.Header, sent int, err error) {
				e := newEndpoint(t)
				up := newRecorder(t, e.sealing(t, "application/json", `{"choices":[{"index":0,"message":{"content":"%s"},"finish_reason":"stop"}]}`, "ok"))
				policy, err := ark.NewPolicy(o)
				if err != nil {
					t.Fatal(err)
				}
				req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[{"role":"user","content":"x"}]}`)
				req.URL.RawQuery = test.query
				resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e, Policy: policy}).RoundTrip(req)
				if err == nil {
					_ = resp.Body.Close()
					header = resp.Header
				}
				return header, len(up.requests()), err
			}
			_, sent, err := send(ark.PolicyOptions{})
			if test.code != "" {
				wantCode(t, err, 400, test.code, test.param)
				if sent > 0 || strings.Contains(err.Error(), "nobody") {
					t.Errorf("%d sent, error %v", sent, err)
				}
			} else if err != nil || sent != 1 {
				t.Errorf("%d sent, error %v", sent, err)
			}
			if test.code == "invalid_query" {
				return
			}
			header, _, err := send(ark.PolicyOptions{Mode: ark.ModeReport})
			if err != nil || header.Get(exchange.HeaderPlaintext) != test.reported {
				t.Errorf("reported %q, want %q (%v)", header.Get(exchange.HeaderPlaintext), test.reported, err)
			}
		})
	}
}

func TestAQueryParameterMayHaveAnException(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	up := newRecorder(t, e.sealing(t, "application/json", `{"choices":[{"index":0,"message":{"content":"%s"},"finish_reason":"stop"}]}`, "ok"))
	policy, err := ark.NewPolicy(ark.PolicyOptions{Exceptions: []ark.Exception{{Path: "?user", Mode: ark.ModeReport}}})
	if err != nil {
		t.Fatal(err)
	}
	for query, passes := range map[string]bool{"user=alice": true, "username=alice": false} {
		req, record := post(t, up.URL, chatPath, `{"model":"m","messages":[{"role":"user","content":"x"}]}`)
		req.URL.RawQuery = query
		_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Policy: policy}, req)
		if passes != (err == nil) || passes != (record.ResidueCount == 1) {
			t.Errorf("%s: %v, %d reported", query, err, record.ResidueCount)
		}
	}
}

func TestCVE_2022_2880_ParametersThatCannotBeReadDoNotPass(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"a=1;user=alice", "a=%zz", "%=1"} {
		req, _ := post(t, "https://upstream.invalid", chatPath, `{"model":"m","messages":[]}`)
		req.URL.RawQuery = query
		_, _, err := roundTrip(&ark.Transport{}, req)
		wantCode(t, err, 400, "invalid_query", "?")
	}
}

func TestT59_ManyQueryParametersAreRefused(t *testing.T) {
	t.Parallel()
	for n, passes := range map[int]bool{100: true, 101: false, 10_001: false} {
		e := newEndpoint(t)
		up := newRecorder(t, e.sealing(t, "application/json", `{"choices":[{"index":0,"message":{"content":"%s"},"finish_reason":"stop"}]}`, "ok"))
		req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
		var query []string
		for i := range n {
			query = append(query, fmt.Sprintf("n%d=1", i))
		}
		req.URL.RawQuery = strings.Join(query, "&")
		_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req)
		if passes && err != nil {
			t.Errorf("%d parameters: %v", n, err)
		}
		if !passes {
			wantCode(t, err, 400, "invalid_query", "?")
		}
	}
}

func TestT26_EndpointsWithoutContentTakeNoText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("w", 129)
	tests := map[string]struct{ method, path, query, body, code string }{
		"models":                      {http.MethodGet, "/api/v3/models", "limit=5", "", ""},
		"models, text":                {http.MethodGet, "/api/v3/models", "q=alice", "", "unsealable_field"},
		"models, not readable":        {http.MethodGet, "/api/v3/models", "q=%zz", "", "invalid_query"},
		"a model":                     {http.MethodGet, "/api/v3/models/ep-1", "", "", ""},
		"a model, text for a query":   {http.MethodGet, "/api/v3/models/ep-1", "tell%20nobody", "", "unsealable_field"},
		"a model, text for a name":    {http.MethodGet, "/api/v3/models/tell nobody", "", "", "endpoint_not_sealable"},
		"a model, too long a name":    {http.MethodGet, "/api/v3/models/" + long, "", "", "endpoint_not_sealable"},
		"certificate":                 {http.MethodPost, ark.CertificatePath, "", `{"model":"ep-1","type":"AICCv0.1"}`, ""},
		"certificate, text for model": {http.MethodPost, ark.CertificatePath, "", `{"model":"tell nobody"}`, "unexpected_body"},
		"certificate, text for type":  {http.MethodPost, ark.CertificatePath, "", `{"model":"ep-1","type":"` + long + `"}`, "unexpected_body"},
		"certificate, text in query":  {http.MethodPost, ark.CertificatePath, "q=alice", `{"model":"ep-1"}`, "unsealable_field"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newRecorder(t, respond("application/json", "{}"))
			req, _ := post(t, up.URL, test.path, test.body)
			req.Method, req.URL.RawQuery = test.method, test.query
			status, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport}, req)
			if test.code == "" {
				if err != nil || status != 200 {
					t.Errorf("got %d, %v", status, err)
				}
				return
			}
			if fault, ok := errors.AsType[*apierror.Error](err); !ok || fault.Code != test.code || len(up.requests()) > 0 {
				t.Errorf("got %v, want %s; %d sent", err, test.code, len(up.requests()))
			}
		})
	}
}

func TestT26_AModelIsOneWord(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"tell nobody", strings.Repeat("w", 129), "a\\u0020b"} {
		req, _ := post(t, "https://upstream.invalid", chatPath, `{"model":"`+model+`","messages":[]}`)
		_, _, err := roundTrip(&ark.Transport{}, req)
		wantCode(t, err, 400, "invalid_model", "model")
	}
}

func TestAReplyThatOpensToNoTextIsRefused(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	up := newRecorder(t, e.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, "\xff"))
	req, _ := post(t, up.URL, chatPath, `{"model":"m","messages":[]}`)
	_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req)
	wantCode(t, err, 502, "reply_unreadable", "")
}
