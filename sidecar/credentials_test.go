package sidecar_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/sidecar"
)

// patience is for what must happen; generous, so that it decides nothing.
const patience = 20 * time.Second

// A sidecar that stops, or gets another configuration, leaves no call for an API
// key behind.
func TestStoppingEndsCallsForAPIKeys(t *testing.T) {
	t.Parallel()
	asked, gone := make(chan struct{}), make(chan struct{})
	plane := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		select {
		case <-r.Context().Done():
			close(gone)
		case <-t.Context().Done(): // the test has failed
		}
	}))
	t.Cleanup(plane.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ak": "AKLT", "sk": "secret",
		"ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: plane.Certificate().Raw})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(config.Source{Dir: dir, Environ: []string{"SEALCAR_CONFIG_YAML=" + fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: state
timeouts: {certificate: 1h}
routes:
  - name: ark
    hosts: [ark.example]
    upstream_ca_file: ca.pem
    credentials: {source: openapi, host: "%s", access_key_file: ak, secret_key_file: sk}
`, plane.Listener.Addr())}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := sidecar.New(sidecar.Options{Config: c, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	app, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(app, http.MethodPost, "http://"+p.Addr().String()+"/v1/chat/completions", strings.NewReader(`{"model":"ep-1","messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	left := make(chan struct{})
	go func() {
		defer close(left)
		if resp, err := new(http.Transport).RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	await(t, asked, "the control plane is not asked")
	leave()
	await(t, left, "the application does not get away")
	stop()
	await(t, gone, "the call for a key goes on")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func await(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal(what)
	}
}

func TestCredentialsThatCannotBeReadAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := config.Load(config.Source{Dir: dir, Environ: []string{"SEALCAR_CONFIG_YAML=" + `
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: state
routes:
  - name: ark
    hosts: [ark.example]
    credentials: {source: file, api_key_file: missing}
`}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = sidecar.New(sidecar.Options{Config: c, Version: "test"}); err == nil || !strings.Contains(err.Error(), "credentials.api_key_file") || !strings.Contains(err.Error(), "missing") {
		t.Errorf("got %v", err)
	}
}
