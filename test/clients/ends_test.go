package clients_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/test/process"
	"sealcar/test/wire"
)

// endpoint is an inference endpoint: the enclave, or one made of the vendor's code.
type endpoint struct {
	*process.Server  // nil if it is none of ours
	addr, state, key string
}

// startEnclave runs `sealcar enclave` with the built-in backend.
func startEnclave(t *testing.T, flags ...string) *endpoint {
	t.Helper()
	state := filepath.Join(t.TempDir(), "enclave")
	s := process.Start(t, built.sealcar, nil, append([]string{"enclave", "--listen", "127.0.0.1:0", "--backend", "echo", "--state", state}, flags...)...)
	addr, _ := s.AwaitKey(t, "listen")["listen"].(string)
	return &endpoint{Server: s, addr: addr, state: state, key: read(t, state, "api-key")}
}

// startVendorServer runs an endpoint that opens and seals with the vendor's code.
func startVendorServer(t *testing.T) *endpoint {
	t.Helper()
	state := t.TempDir()
	command := python(t, "python/vendor_server.py", state)
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...) // ends with its standard input
	cmd.Env = process.Environment(t, nil)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the vendor's server: %v\n%s", err, stderr.String())
		}
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the vendor's server said no port: %v", err)
	}
	return &endpoint{addr: "127.0.0.1:" + strings.TrimSpace(port), state: state, key: "any"}
}

// direct is the environment of an application that talks straight to e.
func (e *endpoint) direct(t *testing.T) map[string]string {
	t.Helper()
	return e.application(t, "https://"+e.addr+"/api/v3", map[string]string{
		"SSL_CERT_FILE":       filepath.Join(e.state, "tls-ca.pem"),
		"NODE_EXTRA_CA_CERTS": filepath.Join(e.state, "tls-ca.pem"),
	})
}

// application is the environment of an application with e's credential. Each SDK
// reads its own names.
func (e *endpoint) application(t *testing.T, baseURL string, extra map[string]string) map[string]string {
	t.Helper()
	env := map[string]string{
		"OPENAI_API_KEY": e.key, "ARK_API_KEY": e.key, "ANTHROPIC_API_KEY": e.key,
		"NODE_PATH": absolute(t, filepath.Join(install, "node", "node_modules")),
	}
	if baseURL != "" { // else it is the SDK's own, or the caller's
		env["OPENAI_BASE_URL"], env[ownBase], env["ANTHROPIC_BASE_URL"] = baseURL, baseURL, strings.TrimSuffix(baseURL, "/v1")
	}
	maps.Copy(env, extra)
	return env
}

// sidecar is a running `sealcar run` in front of an endpoint.
type sidecar struct {
	*process.Server
	doors []door

	config    string // its configuration file
	proxy, ca string // http://host:port of its data port, and the folder of its CA files
}

// door is one way for an application to its sidecar.
type door struct {
	name string            // the setting that leads there
	env  map[string]string // of an application that goes through it
}

// setup is how a sidecar is configured, in lines of YAML that the page shows too.
// Files stand in them as words in braces.
type setup struct {
	listen string   // for the page; a test's is a free port
	top    []string // what the configuration has beside the route
	host   string   // of the route; "" is Ark's
	route  []string // what else the route has
}

func (s setup) routed() string { return cmp.Or(s.host, arkHost) }

// files puts the names of files in place of the words.
func (s setup) files(apiKey, cert, tokens string) setup {
	words := strings.NewReplacer("{api-key}", apiKey, "{cert}", cert, "{tokens}", tokens)
	fill := func(lines []string) (filled []string) {
		for _, line := range lines {
			filled = append(filled, words.Replace(line))
		}
		return filled
	}
	s.top, s.route = fill(s.top), fill(s.route)
	return s
}

// startSidecar runs `sealcar run` with one route; settings are more of it, in YAML.
func startSidecar(t *testing.T, e *endpoint, settings ...string) *sidecar {
	t.Helper()
	return startSidecarAs(t, e, setup{route: settings})
}

func startSidecarAs(t *testing.T, e *endpoint, as setup) *sidecar {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "sealcar.yaml")
	upstream := e.addr
	if e.Server != nil { // the vendor's server has its keys in memory
		upstream = recorded(t, e)
	}
	tokens := filepath.Join(dir, "tokens")
	write(t, tokens, "app:%s\n", clientToken)
	as = as.files(filepath.Join(e.state, "api-key"), filepath.Join(e.state, "tls-server.key"), tokens) // with both, certificate and key
	write(t, file, `
listen: 127.0.0.1:0
%s
admin: {listen: ""}
state_dir: %q
log: {format: json}
routes:
  - name: ark
    hosts: [%s]
    upstream: https://%s
    upstream_ca_file: %q
    certificate: {source: api-key, roots: %q}
    %s
`, strings.Join(as.top, "\n"), filepath.Join(dir, "state"), as.routed(), upstream, filepath.Join(e.state, "tls-ca.pem"), filepath.Join(e.state, "roots.pem"), strings.Join(as.route, "\n    "))
	s := process.Start(t, built.sealcar, nil, "run", "--config", file)
	addr, _ := s.AwaitKey(t, "listen")["listen"].(string)
	ca := filepath.Join(dir, "state", "ca")
	proxy := "http://" + addr
	return &sidecar{Server: s, config: file, proxy: proxy, ca: ca, doors: []door{
		{"HTTP_PROXY", e.application(t, "http://"+arkHost+"/api/v3", map[string]string{"HTTP_PROXY": proxy})},
		{"HTTPS_PROXY", e.application(t, "https://"+arkHost+"/api/v3", map[string]string{
			"HTTPS_PROXY":         proxy,
			"SSL_CERT_FILE":       filepath.Join(ca, "ca-bundle.crt"),
			"NODE_EXTRA_CA_CERTS": filepath.Join(ca, "ca.crt"),
		})},
		{"base URL", e.application(t, proxy+"/v1", nil)},
	}}
}

// recorded puts a recorder in front of the enclave, which fails the test if
// content of requests, or of replies to them, crosses in clear.
func recorded(t *testing.T, e *endpoint) (addr string) {
	t.Helper()
	r := new(wire.Recorder)
	r.Guard(t, "You are brief.", "and a second line", "data:image/png;base64,iVBORw0KGgo=", "three times", "one two three four", "word word word", canary, onePixel, foreignKey)
	return r.Relay(t, e.addr, e.state)
}

// count counts the requests logged for an endpoint by the value of a key, once
// there are as many as wanted: their lines come after their replies.
func (s *sidecar) count(t *testing.T, endpoint, key string, want int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, entry := range s.Await(t, want, "requests for "+endpoint, func(entry map[string]any) bool {
		return entry[key] != nil && entry["endpoint"] == endpoint
	}) {
		counts[fmt.Sprint(entry[key])]++
	}
	return counts
}
