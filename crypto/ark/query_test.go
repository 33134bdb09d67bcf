package ark_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sealcar/crypto/ark"
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
			if err != nil || header.Get(ark.HeaderPlaintext) != test.reported {
				t.Errorf("reported %q, want %q (%v)", header.Get(ark.HeaderPlaintext), test.reported, err)
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
