package proxy_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"sealcar/proxy"
)

func TestMetricsAndReadinessTellTheStateOfCertificates(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000_000, 0).UTC()
	states := []proxy.CertificateState{
		{
			Model: "good", Source: "api-key", Subject: "CN=e", Issuers: []string{"CN=sub", "CN=root"}, Serial: "1f", SPKI: "AAAA",
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), Fetched: now, Revocation: "good", RevocationNextUpdate: now.Add(time.Minute),
		},
		{Model: "old", NotAfter: now, Fetched: now, Stale: true, LastError: "down", Revocation: "unknown", RevocationReason: "nobody there"},
		{Model: "unasked", NotAfter: now, Fetched: now},
	}
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{
		"ark": {
			RoundTripper:      new(recorder),
			Certificates:      func() []proxy.CertificateState { return states },
			CertificateCounts: func() proxy.CertificateCounts { return proxy.CertificateCounts{Fetched: 5, Failed: 2, Evicted: 1} },
		},
		"third": {RoundTripper: new(recorder)},
	}))
	for series, want := range map[string]string{
		`sealcar_certificate_stale{host="",model="good",route="ark"}`:                     "0",
		`sealcar_certificate_stale{host="",model="old",route="ark"}`:                      "1",
		`sealcar_certificate_revocation{host="",model="good",route="ark",state="good"}`:   "1",
		`sealcar_certificate_revocation{host="",model="old",route="ark",state="unknown"}`: "1",
		`sealcar_certificate_fetches_total{result="ok",route="ark"}`:                      "5",
		`sealcar_certificate_fetches_total{result="error",route="ark"}`:                   "2",
		`sealcar_certificate_evictions_total{route="ark"}`:                                "1",
		`sealcar_certificate_evictions_total{route="third"}`:                              "0",
	} {
		if got := metric(t, r, series); got != want {
			t.Errorf("%s is %s, want %s", series, got, want)
		}
	}
	if _, body := admin(t, r, "/metrics"); strings.Contains(body, `sealcar_certificate_revocation{host="",model="unasked"`) {
		t.Error("a state of revocation that nobody asked for")
	}
	eventually(t, func() bool { resp, _ := admin(t, r, "/readyz"); return resp.StatusCode == http.StatusOK }, func() string { return "never ready" })
	_, body := admin(t, r, "/readyz?verbose")
	var ready struct {
		Routes []struct{ Certificates []proxy.CertificateState }
	}
	if err := json.Unmarshal([]byte(body), &ready); err != nil {
		t.Fatal(err)
	}
	if len(ready.Routes) != 2 || !reflect.DeepEqual(ready.Routes[0].Certificates, states) || ready.Routes[1].Certificates != nil {
		t.Errorf("readyz: %s", body)
	}
	if strings.Contains(body, "0001-01-01") {
		t.Error("times that nobody knows are shown")
	}
}
