package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/test/inprocess"
	"sealcar/test/process"
	"sealcar/test/wire"
)

const (
	arkHost  = "ark.cn-beijing.volces.com"
	chatPath = "/api/v3/chat/completions"
)

// ends are a running enclave and a running sidecar in front of it.
type ends struct {
	enclave, sidecar *process.Server
	state            string // the enclave's
	dir              string // the sidecar's: its state, and its configuration at config
	config           string
	key              string // the enclave's API key
	upstream         string // of sidecars: a recorder in front of the enclave
	addr, admin      string // the sidecar's
}

// startEnclave runs `sealcar enclave` with the built-in backend.
func startEnclave(t *testing.T, flags ...string) *ends {
	t.Helper()
	e := &ends{state: filepath.Join(t.TempDir(), "enclave")}
	e.enclave = process.Start(t, sealcar, nil, append([]string{"enclave", "--listen", "127.0.0.1:0", "--state", e.state}, flags...)...)
	addr, _ := e.enclave.AwaitKey(t, "listen")["listen"].(string)
	e.key = read(t, e.state, "api-key")
	recorder := new(wire.Recorder)
	recorder.Guard(t, secretWord)
	e.upstream = recorder.Relay(t, addr, e.state)
	inprocess.Certificate(t, e.state)
	return e
}

// start runs an enclave and a sidecar. further is put into the sidecar's
// configuration, certificate is that of its route; "" fetches with the API key.
func start(t *testing.T, further, certificate string, flags ...string) *ends {
	t.Helper()
	return startIn(t, nil, further, certificate, flags...)
}

// startIn is start with variables for the sidecar.
func startIn(t *testing.T, environment map[string]string, further, certificate string, flags ...string) *ends {
	t.Helper()
	e := startEnclave(t, flags...)
	e.dir = t.TempDir()
	e.config = filepath.Join(e.dir, "sealcar.yaml")
	if certificate == "" {
		certificate = "{source: api-key, roots: ROOTS}"
	}
	e.writeConfig(t, further, certificate)
	e.sidecar = process.Start(t, sealcar, environment, "run", "--config", e.config)
	e.addr, _ = e.sidecar.AwaitKey(t, "listen")["listen"].(string)
	e.admin, _ = e.sidecar.AwaitKey(t, "admin")["admin"].(string)
	return e
}

func (e *ends) writeConfig(t *testing.T, further, certificate string) {
	t.Helper()
	text := strings.NewReplacer(
		"ENCLAVE", e.upstream,
		"ROOTS", filepath.Join(e.state, "roots.pem"),
		"TLSCA", filepath.Join(e.state, "tls-ca.pem"),
		"STATE", filepath.Join(e.dir, "state"),
		"KEYS", e.state,
	).Replace(fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
state_dir: STATE
%s
routes:
  - name: ark
    hosts: [%s]
    upstream: https://ENCLAVE
    upstream_ca_file: TLSCA
    certificate: %s
`, further, arkHost, certificate))
	if err := os.WriteFile(e.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// chat is the body of a chat with one message behind the secret word.
func chat(stream bool, message string) string {
	return fmt.Sprintf(`{"model":"ep-1","stream":%t,"messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`, stream, secretWord, message)
}

// request is a chat for the enclave through the absolute-form door.
func (e *ends) request(t *testing.T, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+arkHost+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+e.key)
	return req
}

// client goes through the sidecar.
func (e *ends) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: e.addr})}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// send sends a chat and returns its status and body.
func (e *ends) send(t *testing.T, body string) (int, string) {
	t.Helper()
	resp, err := e.client(t).Do(e.request(t, body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// stream starts a streamed chat and returns its body once the first event with
// content is there.
func (e *ends) stream(t *testing.T, message string) *bufio.Reader {
	t.Helper()
	resp, err := e.client(t).Do(e.request(t, chat(true, message)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream began with %s", resp.Status)
	}
	r := bufio.NewReader(resp.Body)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"content":"You"`) {
			return r
		}
	}
}

// ask asks the sidecar's admin listener.
func (e *ends) ask(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
