package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/exchange"
	"sealcar/proxy"
)

// admin reads a path of the admin port.
func admin(t *testing.T, r *rig, path string) (*http.Response, string) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	return get(t, &http.Client{Transport: tr}, "http://"+r.AdminAddr().String()+path)
}

// metric is the value of one series, "" if there is none.
func metric(t *testing.T, r *rig, series string) string {
	t.Helper()
	_, body := admin(t, r, "/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// protocols gives each route a protocol by its name.
func protocols(byRoute map[string]*proxy.Protocol) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Protocol = func(_ *config.Config, r config.Route) (*proxy.Protocol, error) { return byRoute[r.Name], nil }
	}
}

func TestT40_TheAdminPortAnswersNoWebPage(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.AllowedHosts = []string{"sealcar.internal", "ported.internal:1"} }))
	for head, code := range map[string]string{
		"Host: 127.0.0.1":                                  "",
		"Host: 127.0.0.1:1":                                "",
		"Host: 10.1.2.3:9090":                              "", // a pod's, as the kubelet asks
		"Host: [fd00::1]:9090":                             "",
		"Host: LOCALHOST.:9090":                            "",
		"Host: sealcar.internal:9090":                      "",
		"Host: ported.internal:1":                          "",
		"Host: ported.internal:2":                          "unknown_host",
		"Host: evil.example":                               "unknown_host",
		"Host: 2130706433":                                 "unknown_host",
		"Host: " + routedHost:                              "unknown_host",
		"Host: 127.0.0.1\r\nOrigin: http://evil.example":   "browser_origin",
		"Host: 127.0.0.1\r\nOrigin: null":                  "browser_origin",
		"Host: evil.example\r\nOrigin: http://127.0.0.1:1": "browser_origin",
	} {
		for _, path := range []string{"/metrics", "/healthz", "/nowhere"} {
			resp, body := dialTo(r, r.AdminAddr().String(), "GET "+path+" HTTP/1.1\r\n"+head+"\r\n\r\n").response()
			if code != "" {
				refusedWith(t, resp, body, http.StatusBadRequest, code)
			} else if resp.StatusCode == http.StatusBadRequest {
				t.Errorf("%s %q: %s %s", path, head, resp.Status, body)
			}
		}
	}
	for request, want := range map[string]int{
		"GET /healthz HTTP/1.0\r\n\r\n":                               http.StatusOK,
		"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n": http.StatusBadRequest,
	} {
		if resp, body := dialTo(r, r.AdminAddr().String(), request).response(); resp.StatusCode != want {
			t.Errorf("%q: %s %s", request, resp.Status, body)
		}
	}
	if n := metric(t, r, `sealcar_refused_total{code="unknown_host",route="none"}`); n != "13" {
		t.Errorf("%s are counted", n)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{
		"ark":   {RoundTripper: new(recorder), Ready: func(context.Context) (bool, string) { return ready.Load(), "certificate of m" }},
		"third": {RoundTripper: new(recorder)},
	}))
	eventually(t, func() bool { _, body := admin(t, r, "/readyz"); return strings.Contains(body, "route ark") }, func() string { return "never serving" })
	if resp, body := admin(t, r, "/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s %s", resp.Status, body)
	}
	if resp, body := admin(t, r, "/readyz"); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "route ark: certificate of m") || strings.Contains(body, "routes") {
		t.Errorf("readyz: %s %s", resp.Status, body)
	}
	ready.Store(true)
	resp, body := admin(t, r, "/readyz?verbose")
	var state struct {
		Ready  bool
		Routes []struct {
			Name, Detail string
			Ready        bool
		}
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || !state.Ready || len(state.Routes) != 2 {
		t.Fatalf("readyz: %s %s", resp.Status, body)
	}
	if state.Routes[0].Detail != "certificate of m" || state.Routes[1].Detail != "awaiting first request" || !state.Routes[1].Ready {
		t.Errorf("readyz: %s", body)
	}
}

func TestAdminServesNothingElse(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	for _, path := range []string{"/", "/v1/chat/completions", "/debug/pprof/"} {
		if resp, _ := admin(t, r, path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// In a pod the port has no host: what probes it comes to the pod's address, of
// either family.
func TestAdminWithoutAHostListensOnBothFamilies(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Admin.Listen = ":0" }))
	_, port, err := net.SplitHostPort(r.AdminAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			t.Logf("this machine has no %s", host)
			continue
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{DisableKeepAlives: true}
		if resp, body := get(t, &http.Client{Transport: tr}, "http://"+net.JoinHostPort(host, port)+"/healthz"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", host, resp.Status, body)
		}
	}
}

func TestAdminOff(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t, func(c *config.Config) { c.Admin.Listen = "" }))
	if r.AdminAddr() != nil {
		t.Errorf("admin listens on %v", r.AdminAddr())
	}
	if resp, _ := do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat))); resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}

func TestMetricsOfRequests(t *testing.T) {
	t.Parallel()
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		x := exchange.From(r.Context())
		x.Treatment, x.SealedFields, x.OpenedFields = exchange.Sealed, 2, 3
		x.Seal, x.Open, x.Upstream = time.Millisecond, 2*time.Millisecond, time.Second
		if r.URL.Query().Has("clear") {
			x.Treatment = exchange.Plaintext
		} else {
			x.Retried = true
			x.Residue, x.ResidueCount, x.ReplyResidue, x.RepeatedTags = []string{"user"}, 1, []string{"choices[].logprobs.content"}, 2
		}
		switch {
		case r.URL.Query().Has("unsafe"):
			x.UnsafeResidue = true
		case r.URL.Query().Has("refused"):
			x.Treatment = exchange.Refused
		}
		return answer(200, "application/json", strings.NewReader("{}")), nil
	}}
	r := start(t, upstream, testConfig(t))
	do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
	do(t, r.client(), newPost(t.Context(), t, routedURL+"?clear", strings.NewReader(chat)))
	do(t, r.client(), newPost(t.Context(), t, routedURL+"?unsafe", strings.NewReader(chat)))
	do(t, r.client(), newPost(t.Context(), t, routedURL+"?refused", strings.NewReader(chat)))
	do(t, r.client(), newPost(t.Context(), t, r.url("/nowhere"), strings.NewReader(chat)))
	for series, want := range map[string]string{
		`sealcar_requests_total{route="ark",status="200",treatment="sealed"}`:    "2",
		`sealcar_requests_total{route="ark",status="200",treatment="plaintext"}`: "1",
		`sealcar_requests_total{route="none",status="400",treatment="refused"}`:  "1",
		`sealcar_refused_total{code="no_route",route="none"}`:                    "1",
		`sealcar_plaintext_total{route="ark"}`:                                   "1",
		`sealcar_rotations_total{route="ark"}`:                                   "3",
		`sealcar_residue_total{route="ark",where="request"}`:                     "1",
		`sealcar_residue_total{route="ark",where="request_unsafe"}`:              "1",
		`sealcar_residue_total{route="ark",where="reply"}`:                       "3",
		`sealcar_repeated_tags_total{route="ark"}`:                               "6",
		`sealcar_seal_seconds_sum{route="ark"}`:                                  "0.004",
		`sealcar_open_seconds_count{route="ark"}`:                                "4",
		`sealcar_upstream_seconds_sum{route="ark"}`:                              "4",
	} {
		eventually(t, func() bool { return metric(t, r, series) == want }, func() string {
			_, body := admin(t, r, "/metrics")
			return fmt.Sprintf("%s is not %s in\n%s", series, want, body)
		})
	}
	if _, body := admin(t, r, "/metrics"); !strings.Contains(body, `sealcar_build_info{goversion="go`) {
		t.Error("no build info")
	}
	for _, series := range []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"} { // the last two on Linux
		if metric(t, r, series) == "" && (runtime.GOOS == "linux" || series == "go_goroutines") {
			t.Errorf("no %s, in which a leak would show", series)
		}
	}
}

func TestT66_LabelsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(2_000_000_000, 0)
	certificates := func() []proxy.CertificateState {
		list := []proxy.CertificateState{{Model: "first", NotAfter: now.Add(time.Hour), Fetched: now.Add(-time.Minute)}, {Model: "first"}, {Model: "bad \xff\n\"" + strings.Repeat("x", 1000)}}
		for i := range 1000 {
			list = append(list, proxy.CertificateState{Model: fmt.Sprint("m", i)})
		}
		return list
	}
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		exchange.From(r.Context()).Model = r.URL.Query().Get("n")
		var status int
		_, _ = fmt.Sscan(r.URL.Query().Get("n"), &status)
		return answer(status, "application/json", strings.NewReader("")), nil
	}}
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{"ark": {RoundTripper: upstream, Certificates: certificates}, "third": {RoundTripper: upstream}}),
		func(o *proxy.Options) { o.Now = func() time.Time { return now } })
	_, before := admin(t, r, "/metrics")
	for i := 600; i < 660; i++ {
		do(t, r.client(), newPost(t.Context(), t, fmt.Sprintf("%s?n=%d", routedURL, i), strings.NewReader(chat)))
		if req, err := http.NewRequestWithContext(t.Context(), fmt.Sprint("METHOD", i), fmt.Sprintf("http://%s/v1/path/%d", routedHost, i), http.NoBody); err == nil {
			do(t, r.client(), req)
		}
	}
	_, body := admin(t, r, "/metrics")
	if n := strings.Count(body, "\nsealcar_requests_total{") - strings.Count(before, "\nsealcar_requests_total{"); n > 3 {
		t.Errorf("%d series of requests:\n%s", n, body)
	}
	if n := strings.Count(body, "\nsealcar_certificate_age_seconds{"); n < 90 || n > 100 {
		t.Errorf("%d series of certificates", n)
	}
	if got := metric(t, r, `sealcar_certificate_not_after_seconds{host="",model="first",route="ark"}`); got != "2.0000036e+09" {
		t.Errorf("not after %s", got)
	}
	if got := metric(t, r, `sealcar_certificate_age_seconds{host="",model="first",route="ark"}`); got != "60" {
		t.Errorf("age %s", got)
	}
}

// A counter that begins with 1 has not risen for Prometheus.
func TestWhatAlertsAreAboutIsShownBeforeItHappens(t *testing.T) {
	t.Parallel()
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{"ark": {RoundTripper: new(recorder)}, "third": {RoundTripper: new(recorder)}}))
	for _, series := range []string{
		`sealcar_config_reloads_total{result="error"}`,
		`sealcar_config_reloads_total{result="ok"}`,
		`sealcar_plaintext_total{route="ark"}`,
		`sealcar_plaintext_total{route="third"}`,
		`sealcar_requests_total{route="ark",status="503",treatment="refused"}`,
		`sealcar_requests_total{route="third",status="502",treatment="sealed"}`,
	} {
		if got := metric(t, r, series); got != "0" {
			t.Errorf("%s is %q, want 0", series, got)
		}
	}
}

func TestCertificatesShownAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	certificates := func() []proxy.CertificateState {
		byModel := make(map[string]bool) // as a cache has them: in another order each time
		for i := range 300 {
			byModel[fmt.Sprintf("m%03d", i)] = true
		}
		var list []proxy.CertificateState
		for model := range byModel {
			list = append(list, proxy.CertificateState{Model: model})
		}
		return list
	}
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{"ark": {RoundTripper: new(recorder), Certificates: certificates}, "third": {RoundTripper: new(recorder)}}))
	_, body := admin(t, r, "/metrics")
	for i, want := range map[int]bool{0: true, 99: true, 100: false, 299: false} {
		if shown := strings.Contains(body, fmt.Sprintf(`sealcar_certificate_age_seconds{host="",model="m%03d",`, i)); shown != want {
			t.Errorf("certificate %d is shown: %v", i, shown)
		}
	}
}

func TestT65_NothingFromOutsideBreaksTheLog(t *testing.T) {
	t.Parallel()
	evil := "m\r\n{\"forged\":true}\x1b[31m\x00" + strings.Repeat("é", 200)
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		x := exchange.From(r.Context())
		x.Model, x.Endpoint = evil, evil
		return answer(200, "application/json", strings.NewReader("{}")), nil
	}}
	r := start(t, upstream, testConfig(t))
	do(t, r.client(), newPost(t.Context(), t, "http://"+routedHost+"/v1/%0d%0a%1b[31m", strings.NewReader(chat)))
	do(t, r.client(), newPost(t.Context(), t, "http://"+routedHost+"/v1/caf%C3%A9?key=sk-secret", strings.NewReader(chat)))
	line := r.log.line(t, map[string]any{"message": "request", "status": 200.0})
	if model := line["model"].(string); len(model) > 128 || !strings.HasPrefix(evil, model) {
		t.Errorf("model is logged as %q", model)
	}
	for text := range strings.Lines(r.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil || line["forged"] != nil {
			t.Errorf("a line of the log is %q", text)
		}
	}
	for _, secret := range []string{"sk-secret", "\x1b", chat, "Bearer"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestOneLineARequest(t *testing.T) {
	t.Parallel()
	upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
		x := exchange.From(r.Context())
		*x = exchange.Record{
			ID: x.ID, Door: x.Door, Route: x.Route, Endpoint: "/api/v3/chat/completions", Model: "m", Treatment: exchange.Sealed, SealedFields: 2, OpenedFields: 1,
			Certificate: time.Millisecond, Seal: 2 * time.Millisecond, Upstream: 8 * time.Millisecond, Open: 4 * time.Millisecond,
		}
		return answer(200, "application/json", strings.NewReader("{}")), nil
	}}
	r := start(t, upstream, testConfig(t))
	resp, err := http.Post(r.url("/v1/chat/completions"), "application/json", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	line := r.log.line(t, map[string]any{
		"level": "info", "message": "request", "route": "ark", "door": "base-url", "method": "POST", "path": "/v1/chat/completions",
		"endpoint": "/api/v3/chat/completions", "model": "m", "treatment": "sealed", "stream": false, "sealed": 2.0, "opened": 1.0,
		"status": 200.0, "request_bytes": float64(len(chat)), "reply_bytes": 2.0, "upstream_ms": 8.0, "added_ms": 7.0,
	})
	if line["id"] == "" || strings.Count(r.log.String(), `"message":"request"`) != 1 {
		t.Errorf("log:\n%s", r.log)
	}
}

func TestTheLogTellsWhatWasInClear(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		record exchange.Record
		want   []string
		never  string
	}{
		"request": {
			exchange.Record{Treatment: exchange.Sealed, Residue: []string{"user", "tools[0].function.name"}, ResidueCount: 40},
			[]string{`"residue":["user","tools[0].function.name"]`, `"residue_count":40`, `"residue_unsafe":false`},
			"reply_residue",
		},
		"content":           {exchange.Record{Treatment: exchange.Sealed, Residue: []string{"a"}, ResidueCount: 1, UnsafeResidue: true}, []string{`"residue_unsafe":true`}, "repeated"},
		"reply":             {exchange.Record{Treatment: exchange.Sealed, ReplyResidue: []string{"choices[].logprobs.content"}}, []string{`"reply_residue":["choices[].logprobs.content"]`}, `"residue"`},
		"repeated tags":     {exchange.Record{Treatment: exchange.Sealed, RepeatedTags: 3}, []string{`"repeated_tags":3`}, "residue"},
		"nothing":           {exchange.Record{Treatment: exchange.Sealed}, nil, "residue"},
		"refused, not sent": {exchange.Record{Treatment: exchange.Refused, Residue: []string{"user"}, ResidueCount: 1}, nil, "residue"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := &recorder{reply: func(r *http.Request) (*http.Response, error) {
				x := exchange.From(r.Context())
				test.record.ID, test.record.Door, test.record.Route = x.ID, x.Door, x.Route
				*x = test.record
				return answer(200, "application/json", strings.NewReader("{}")), nil
			}}
			r := start(t, upstream, testConfig(t))
			do(t, r.client(), newPost(t.Context(), t, routedURL, strings.NewReader(chat)))
			r.log.line(t, map[string]any{"message": "request"})
			for _, want := range test.want {
				if !strings.Contains(r.log.String(), want) {
					t.Errorf("%s is not in the log:\n%s", want, r.log)
				}
			}
			if strings.Contains(r.log.String(), test.never) {
				t.Errorf("%s is in the log:\n%s", test.never, r.log)
			}
		})
	}
}

func TestEachHostOfARouteHasItsOwnCertificateSeries(t *testing.T) {
	t.Parallel()
	hosts := []string{"b.example", "a.example"}
	certificates := func() []proxy.CertificateState {
		return []proxy.CertificateState{
			{Model: "m", Host: hosts[0], NotAfter: time.Unix(2_000_000_000, 0), Source: "api-key", Serial: "1b", SPKI: "pin="},
			{Model: "m", Host: hosts[1], NotAfter: time.Unix(1_900_000_000, 0)},
		}
	}
	r := start(t, nil, testConfig(t), protocols(map[string]*proxy.Protocol{"ark": {RoundTripper: new(recorder), Certificates: certificates}, "third": {RoundTripper: new(recorder)}}))
	if got := metric(t, r, `sealcar_certificate_info{host="b.example",model="m",route="ark",serial="1b",source="api-key",spki="pin="}`); got != "1" {
		t.Errorf("info: %q", got)
	}
	for host, want := range map[string]string{"a.example": "1.9e+09", "b.example": "2e+09"} {
		if got := metric(t, r, `sealcar_certificate_not_after_seconds{host="`+host+`",model="m",route="ark"}`); got != want {
			t.Errorf("%s: %q, want %s", host, got, want)
		}
	}
}
