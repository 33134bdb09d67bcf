package cases_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/enclave"
	"sealcar/proxy"
	"sealcar/sidecar"
	"sealcar/test/wire"
)

const arkHost = "ark.cn-beijing.volces.com"

// ends are a sidecar and the upstream that it is configured for, both running.
type ends struct {
	sidecar  *proxy.Proxy
	recorder *wire.Recorder // at the upstream, inside TLS
	script   *script        // nil if the upstream is the enclave
	key      string         // the enclave's API key
	log      *logBuffer     // the sidecar's
	stop     func() error   // ends both
}

// start runs both ends in a directory. The caller stops them.
func start(t *testing.T, c *testCase, v values) *ends {
	t.Helper()
	dir := t.TempDir()
	e := &ends{recorder: new(wire.Recorder), log: new(logBuffer)}
	state := filepath.Join(dir, "enclave")
	misbehave, scripted := upstreamOf(c.upstream)
	server, err := enclave.New(enclave.Options{StateDir: state, Backend: enclave.BackendEcho, Misbehave: misbehave, Tap: e.recorder.Tap})
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(state, "api-key"))
	if err != nil {
		t.Fatal(err)
	}
	e.key = strings.TrimSpace(string(key))
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(ctx context.Context) error { return server.Serve(ctx, ln) }
	if scripted {
		e.script = newScript(t, state, parseMessage(c.upstream), v, e.recorder)
		serve = func(ctx context.Context) error { return e.script.serve(ctx, ln) }
	}
	settings, err := settings(c, ln.Addr().String(), state, filepath.Join(dir, "sidecar"))
	if err != nil {
		t.Fatal(err)
	}
	if e.sidecar, err = sidecar.New(sidecar.Options{Config: settings, Log: zerolog.New(e.log), Version: "test"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- serve(ctx) }()
	go func() { ended <- e.sidecar.Run(ctx) }()
	e.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, <-ended)
	})
	t.Cleanup(func() { _ = e.stop() }) // its error was looked at, unless the test has failed anyway
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
func settings(c *testCase, upstream, state, dir string) (*config.Config, error) {
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
	return config.Load(config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=" + text}})
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

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes())
}
