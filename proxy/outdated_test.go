package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/proxy"
)

// kubelet probes as the chart has it: a redirect is left alone.
func kubelet(t *testing.T, r *rig) (status int, body string) {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, body := get(t, client, "http://"+r.AdminAddr().String()+"/readyz?kubelet")
	return resp.StatusCode, body
}

func TestARefusedConfigurationIsAnEvent(t *testing.T) {
	t.Parallel()
	r := start(t, new(recorder), testConfig(t))
	const gauge = `sealcar_change_refused{setting="config"}`
	if status, body := kubelet(t, r); status != http.StatusOK || !strings.Contains(body, `"ready":true`) || metric(t, r, gauge) != "0" {
		t.Errorf("nothing is wrong: %d %s, %s", status, body, metric(t, r, gauge))
	}
	r.ReloadFailed(errors.New("line 3: nonsense"))
	status, body := kubelet(t, r)
	if status != http.StatusFound || body != "the new configuration is not valid and the one before stays in force: the log names the mistakes" {
		t.Errorf("%d %s", status, body)
	}
	if resp, body := admin(t, r, "/readyz"); resp.StatusCode != http.StatusOK || metric(t, r, gauge) != "1" {
		t.Errorf("/readyz: %s %s, %s", resp.Status, body, metric(t, r, gauge))
	}
	next := *testConfig(t)
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if status, body := kubelet(t, r); status != http.StatusOK || metric(t, r, gauge) != "0" {
		t.Errorf("mended: %d %s, %s", status, body, metric(t, r, gauge))
	}
}

// A pod that serves nobody is to be taken out, whatever else there is to tell.
func TestAPodThatIsNotReadyFailsItsProbe(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	now := time.Now()
	r := start(t, nil, testConfig(t), func(o *proxy.Options) {
		o.Now = func() time.Time { return now } // it is always time to tell
		protocols(map[string]*proxy.Protocol{"ark": {
			RoundTripper: new(recorder), Ready: func(context.Context) (bool, string) { return ready.Load(), "certificate of m" },
		}, "third": {RoundTripper: new(recorder)}})(o)
	})
	eventually(t, func() bool { _, body := admin(t, r, "/readyz"); return strings.Contains(body, "route ark") }, func() string { return "never serving" })
	r.ReloadFailed(errors.New("line 3: nonsense"))
	if status, body := kubelet(t, r); status != http.StatusServiceUnavailable || !strings.Contains(body, "certificate of m") {
		t.Errorf("%d %s", status, body)
	}
	ready.Store(true)
	if status, body := kubelet(t, r); status != http.StatusFound {
		t.Errorf("%d %s", status, body)
	}
}

// No client has to come for a broken file to be known.
func TestRefusedFilesOfTheDataPortAreEvents(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	files := newTLSFiles(t, p.server(t)).clientsOf(t, p)
	tokens := tokenFile(t, appToken)
	for setting, tt := range map[string]struct{ path, told string }{
		"listen_tls.cert_file":      {files.key, "the changed certificate and key of listen_tls cannot be used, and those before serve on: the log says why"},
		"listen_tls.client_ca_file": {files.clientCA, "the changed listen_tls.client_ca_file cannot be used, and no client is let in: the log says why"},
		"client_auth.token_file":    {tokens, "the changed client_auth.token_file cannot be used, and no client is let in: the log says why"},
	} {
		good, err := os.ReadFile(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, new(recorder), testConfig(t, files.apply, withTokens(tokens)))
		gauge := `sealcar_change_refused{setting="` + setting + `"}`
		if status, body := kubelet(t, r); status != http.StatusOK || metric(t, r, gauge) != "0" {
			t.Errorf("%s, good: %d %s, %s", setting, status, body, metric(t, r, gauge))
		}
		put(t, tt.path, "bad")
		if status, body := kubelet(t, r); status != http.StatusFound || body != tt.told || metric(t, r, gauge) != "1" {
			t.Errorf("%s, bad: %d %s, %s", setting, status, body, metric(t, r, gauge))
		}
		put(t, tt.path, string(good))
		if status, body := kubelet(t, r); status != http.StatusOK || metric(t, r, gauge) != "0" {
			t.Errorf("%s, mended: %d %s, %s", setting, status, body, metric(t, r, gauge))
		}
	}
}
