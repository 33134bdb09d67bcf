package cases_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/enclave"
	"sealcar/test/inprocess"
	"sealcar/test/wire"
)

const arkHost = "ark.cn-beijing.volces.com"

// ends are a sidecar and the upstream that it is configured for, both running.
type ends struct {
	sidecar  *inprocess.Sidecar
	recorder *wire.Recorder // at the upstream, inside TLS
	script   *script        // nil if the upstream is the enclave
	key      string         // the enclave's API key
	log      *inprocess.Log // the sidecar's
	stop     func()         // ends both
}

// start runs both ends until stop or the end of the test.
func start(t *testing.T, c *testCase, v values) *ends {
	t.Helper()
	e := &ends{recorder: new(wire.Recorder), log: new(inprocess.Log)}
	misbehave, scripted := upstreamOf(c.upstream)
	far := inprocess.NewEnclave(t, enclave.Options{Misbehave: misbehave, Tap: e.recorder.Tap})
	e.key = far.Key
	ln := inprocess.Listen(t)
	serve := far.Serve
	if scripted {
		e.script = newScript(t, far.State, parseMessage(c.upstream), v, e.recorder)
		serve = e.script.serve
	}
	stopFar := inprocess.Run(t, func(ctx context.Context) error { return serve(ctx, ln) })
	e.sidecar = inprocess.StartSidecar(t, settings(c, ln.Addr().String(), far.State, t.TempDir()), e.log)
	e.stop = func() {
		e.sidecar.Stop()
		stopFar()
	}
	return e
}

// upstreamOf reads the section's first line: "enclave" and what it does wrong, or
// the beginning of a reply to send.
func upstreamOf(section string) (misbehave []string, scripted bool) {
	first, _, _ := strings.Cut(section, "\n")
	words := strings.Fields(first)
	if len(words) == 0 {
		return nil, false
	}
	if words[0] == "enclave" {
		return words[1:], false
	}
	return nil, true
}

// settings is the case's configuration, with one route, to the upstream.
func settings(c *testCase, upstream, state, dir string) string {
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
state_dir: %q
%s
routes:
  - name: ark
    hosts: [%s]
    upstream: https://%s
    upstream_ca_file: %q
    certificate: {source: api-key, roots: %q}
`, dir, c.config, arkHost, upstream, filepath.Join(state, "tls-ca.pem"), filepath.Join(state, "roots.pem"))
	for line := range strings.Lines(c.route) {
		text += "    " + line
	}
	return text
}

// metrics is what the sidecar tells of itself.
func (e *ends) metrics(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.sidecar.AdminAddr().String()+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}
