package e2e_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sealcar/test/process"
)

// leaky is a sidecar at debug level with every kind of secret, and with peers
// that repeat in their errors whatever they were told.
type leaky struct {
	*ends
	marks canaries

	mu     sync.Mutex
	bodies map[string]string // of sealcar's own errors, by what was sent
}

// startLeaky runs it. Its routes: ark is in order; echoing has an upstream that
// repeats requests in its errors; proxied an egress proxy that does; keyed an AK
// and SK that the control plane does not know.
func startLeaky(t *testing.T) *leaky {
	t.Helper()
	l := &leaky{ends: startEnclave(t), bodies: map[string]string{}, marks: newCanaries(
		"prompt", "app key", "wrong key", "access key", "secret key", "security token", "proxy password", "query", "cookie", "path", "bytes in a tunnel",
	)}
	l.marks.add("enclave's key", l.key)
	l.dir = t.TempDir()
	for name, text := range map[string]string{
		"ak": l.marks.word("access key"), "sk": l.marks.word("secret key"), "token": l.marks.word("security token"),
		"auth": "user:" + l.marks.word("proxy password"), "wrong": l.marks.word("wrong key"), "right": l.key,
	} {
		l.write(t, name, text)
	}
	upstream := httptest.NewTLSServer(http.HandlerFunc(repeat))
	t.Cleanup(upstream.Close)
	l.write(t, "upstream.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw})))
	l.config = l.write(t, "sealcar.yaml", l.settings(upstream.URL, refusingProxy(t)))
	l.sidecar = process.Start(t, sealcar, nil, "run", "--config", l.config)
	l.addr, _ = l.sidecar.AwaitKey(t, "listen")["listen"].(string)
	l.admin, _ = l.sidecar.AwaitKey(t, "admin")["admin"].(string)
	return l
}

func (l *leaky) settings(upstream, proxy string) string {
	return strings.NewReplacer("ENCLAVE", l.enclaveAddr, "KEYS", l.state, "DIR", l.dir, "UPSTREAM", upstream, "PROXY", proxy).Replace(`
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
state_dir: DIR/state
log: {level: debug, format: json}
timeouts: {certificate: 2s}
routes:
  - name: ark
    hosts: [` + arkHost + `]
    upstream: https://ENCLAVE
    upstream_ca_file: KEYS/tls-ca.pem
    certificate: {source: api-key, roots: KEYS/roots.pem}
  - name: echoing
    hosts: [echoing.example]
    base_paths: []
    upstream: UPSTREAM
    upstream_ca_file: DIR/upstream.pem
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
  - name: asking
    hosts: [asking.example]
    base_paths: []
    upstream: UPSTREAM
    upstream_ca_file: DIR/upstream.pem
    certificate: {source: api-key, roots: KEYS/roots.pem}
  - name: untrusted
    hosts: [untrusted.example]
    base_paths: []
    upstream: UPSTREAM
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
  - name: proxied
    hosts: [proxied.example]
    base_paths: []
    upstream_proxy: PROXY
    upstream_proxy_auth_file: DIR/auth
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
  - name: keyed
    hosts: [keyed.example]
    base_paths: []
    upstream: UPSTREAM
    upstream_ca_file: DIR/upstream.pem
    certificate: {source: file, file: KEYS/endpoint.pem, roots: KEYS/roots.pem}
    credentials: {source: openapi, host: "` + "127.0.0.1:1" + `", access_key_file: DIR/ak, secret_key_file: DIR/sk, security_token_file: DIR/token}
`)
}

func (l *leaky) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// repeat answers with an error that holds the request, as it is and encoded.
func repeat(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	told := fmt.Sprint(r.URL, r.Header, string(body))
	for name, values := range r.Header {
		w.Header()["X-Echo-"+name] = values
	}
	if r.Header.Get("X-Html") != "" {
		w.Header().Set("Content-Type", "text/html; told="+url.QueryEscape(told))
	}
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, "<html>%s %s</html>", told, base64.StdEncoding.EncodeToString([]byte(told)))
}

// refusingProxy is an egress proxy that repeats the credentials: in the reason
// of its refusal, in a header and in the body, and every other time in place of
// a status.
func refusingProxy(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				auth := req.Header.Get("Proxy-Authorization")
				status := "407 who is " + auth
				if n%2 > 0 {
					status = strings.ReplaceAll(auth, " ", "")
				}
				_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nX-Auth: %s\r\nContent-Length: %d\r\n\r\n%s", status, auth, len(auth), auth)
			}
			_ = c.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

// send sends a request for a routed host and keeps sealcar's own error, if that
// is the answer.
func (l *leaky) send(t *testing.T, name, host, body string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + l.marks.word("app key")}, "Cookie": {"c=" + l.marks.word("cookie")}}
	maps.Copy(req.Header, header)
	resp, err := l.client(t).Do(req)
	if err != nil {
		l.keep(name, err.Error())
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 400 {
		l.keep(name, fmt.Sprint(resp.Status, resp.Header, string(text)))
	}
}

func (l *leaky) keep(name, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bodies[name] = text
}

// raw sends bytes to the data port and keeps what comes back.
func (l *leaky) raw(t *testing.T, name, text string) {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, text)
	_ = c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	l.keep(name, string(answer))
}

func TestT63_NothingSecretIsSaidAnywhere(t *testing.T) {
	t.Parallel()
	l := startLeaky(t)
	prompt := l.marks.word("prompt")
	own := http.Header{"Authorization": {"Bearer " + l.key}}
	message := func(members string) string {
		return `{"model":"ep-1",` + members + `"messages":[{"role":"user","content":"` + prompt + `"}]}`
	}

	for name, body := range map[string]string{
		"no JSON":             prompt,
		"cut short":           `{"model":"ep-1","messages":[{"role":"user","content":"` + prompt,
		"a second document":   message("") + `"` + prompt + `"`,
		"duplicate names":     message(`"user":"` + prompt + `","user":"` + prompt + `",`),
		"broken UTF-8":        message(`"user":"` + prompt + "\xff" + `",`),
		"a bad escape":        message(`"user":"` + prompt + `\x",`),
		"a wrong type":        `{"model":"ep-1","messages":"` + prompt + `"}`,
		"content of no type":  `{"model":"ep-1","messages":[{"role":"user","content":["` + prompt + `"]}]}`,
		"an unknown field":    message(`"notes":{"a":["` + prompt + `"]},`),
		"an image by address": `{"model":"ep-1","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://` + prompt + `.example/` + prompt + `"}}]}]}`,
		"a model of no name":  `{"model":{"a":"` + prompt + `"},"messages":[]}`,
	} {
		l.send(t, name, arkHost, body, own)
	}
	l.send(t, "good", arkHost, message(""), own)
	l.send(t, "good, streamed", arkHost, message(`"stream":true,`), own)
	l.send(t, "residue", arkHost, message(`"user":"`+prompt+`","stop":["`+prompt+`"],"tools":[{"type":"function","function":{"name":"f","description":"`+prompt+`"}}],`), own)
	l.send(t, "a wrong key", arkHost, message(""), nil)
	l.send(t, "no key", arkHost, message(""), http.Header{"Authorization": {"Basic " + l.marks.word("app key")}})
	l.send(t, "a session token", arkHost, message(""), http.Header{"X-Session-Token": {l.marks.word("app key")}})
	l.send(t, "a type", arkHost, message(""), http.Header{"Content-Type": {"text/" + prompt}})
	l.send(t, "an encoding", arkHost, message(""), http.Header{"Content-Encoding": {prompt}})
	l.send(t, "an origin", arkHost, message(""), http.Header{"Origin": {"https://" + prompt + ".example"}})
	for _, host := range []string{"echoing.example", "asking.example", "untrusted.example", "proxied.example"} {
		l.send(t, host, host, message(""), nil)
		l.send(t, host+", HTML", host, message(""), http.Header{"X-Html": {"1"}})
	}
	l.send(t, "keyed.example", "keyed.example", message(""), http.Header{"Authorization": nil})

	key := "Authorization: Bearer " + l.marks.word("app key") + "\r\nProxy-Authorization: Basic " + l.marks.word("proxy password") + "\r\n"
	for name, text := range map[string]string{
		"a bad version":      "POST http://" + arkHost + "/" + l.marks.word("path") + " HTTP/9.9\r\n" + key + "\r\n" + prompt,
		"a bad header":       "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + prompt + "\r\n\r\n",
		"a bad length":       "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "Content-Length: " + prompt + "\r\n\r\n",
		"a bad encoding":     "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "Transfer-Encoding: " + prompt + "\r\n\r\n",
		"a bad chunk":        "POST http://" + arkHost + chatPath + " HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + prompt + "\r\n",
		"a bad target":       "GET http://[" + prompt + "/ HTTP/1.1\r\nHost: " + arkHost + "\r\n" + key + "\r\n",
		"no HTTP":            prompt + "\r\n\r\n",
		"a query":            "GET http://" + arkHost + "/api/v3/models?api_key=" + l.marks.word("query") + " HTTP/1.1\r\nHost: " + arkHost + "\r\nConnection: close\r\n" + key + "\r\n",
		"a path of others":   "GET http://127.0.0.1:1/" + l.marks.word("path") + "?k=" + l.marks.word("query") + " HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n" + key + "\r\n",
		"a password":         "GET http://user:" + l.marks.word("query") + "@" + arkHost + "/api/v3/models HTTP/1.1\r\nHost: " + arkHost + "\r\nConnection: close\r\n" + key + "\r\n",
		"a tunnel, no TLS":   "CONNECT " + arkHost + ":443 HTTP/1.1\r\nHost: " + arkHost + ":443\r\n" + key + "\r\n" + l.marks.word("bytes in a tunnel") + "\r\n\r\n",
		"a tunnel elsewhere": "CONNECT " + l.enclaveAddr + " HTTP/1.1\r\nHost: " + l.enclaveAddr + "\r\n" + key + "\r\n" + l.marks.word("bytes in a tunnel") + "\r\n\r\n",
		"a tunnel to nobody": "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n" + key + "\r\n" + l.marks.word("bytes in a tunnel"),
	} {
		l.raw(t, name, text)
	}
	l.reloadBadly(t)

	for name, text := range l.bodies {
		l.marks.mustMiss(t, "the answer to "+name, text)
	}
	for _, path := range []string{"/metrics", "/readyz?verbose", "/readyz", "/healthz", "/debug/pprof/", "/debug/vars", "/"} {
		_, text := l.ask(t, path)
		l.marks.mustMiss(t, path, text)
	}
	l.marks.mustMiss(t, "the sidecar's log", l.sidecar.Log())
	l.marks.mustMiss(t, "the enclave's log", l.enclave.Log())
	for _, name := range []string{"cmdline", "environ"} { // environ is for the privileged alone
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", l.sidecar.PID(), name)); err == nil {
			l.marks.mustMiss(t, name, string(text))
		}
	}
	for path, text := range files(t, filepath.Join(l.dir, "state")) {
		l.marks.mustMiss(t, path, text)
	}
	if n := strings.Count(l.sidecar.Log(), `"message":"request"`); n < 30 || len(l.bodies) < 30 {
		t.Errorf("%d requests are in the log and %d were refused: too few for this test to mean anything", n, len(l.bodies))
	}
}

// reloadBadly has the running sidecar read configurations with secrets in them.
func (l *leaky) reloadBadly(t *testing.T) {
	t.Helper()
	good := read(t, l.config)
	for i, text := range []string{
		good + "\napi_key: " + l.marks.word("app key"),
		good + "\nlisten: {password: " + l.marks.word("app key") + "}",
		strings.ReplaceAll(good, l.dir+"/sk", "AKLT"+l.marks.word("secret key")),
		strings.ReplaceAll(good, "upstream_proxy: http://", "upstream_proxy: http://user:"+l.marks.word("proxy password")+"@"),
		good + "\n\t: \"" + l.marks.word("app key"),
		good + "\nx: *" + l.marks.word("app key"),
	} {
		l.write(t, "sealcar.yaml", text)
		l.sidecar.Signal(t, syscall.SIGHUP)
		l.sidecar.Await(t, i+1, "a failed reload", func(entry map[string]any) bool {
			message, _ := entry["message"].(string)
			return strings.Contains(message, "the old one stays in force")
		})
	}
	l.write(t, "sealcar.yaml", good)
}

func TestT63_NoCommandPrintsASecret(t *testing.T) {
	t.Parallel()
	l := startLeaky(t)
	bad := l.write(t, "bad.yaml", strings.ReplaceAll(read(t, l.config), l.dir+"/sk", "AKLT"+l.marks.word("secret key"))+"\npassword: "+l.marks.word("app key"))
	for _, args := range [][]string{
		{"check", "--config", l.config},
		{"check", "--config", bad},
		{"run", "--config", bad},
		{"exec", "--config", bad, "--", "true"},
		{"health", "--config", l.config},
		{"doctor", "--config", l.config},
		{"doctor", "--config", l.config, "--json"},
		{"doctor", "--config", l.config, "--probe", "--model", "ep-1", "--api-key-file", l.dir + "/right"},
		{"doctor", "--config", l.config, "--probe", "--model", "ep-1", "--api-key-file", l.dir + "/wrong", "--json"},
		{"cert", "show", "--config", l.config, "--model", "ep-1", "--api-key-file", l.dir + "/right"},
		{"cert", "fetch", "--config", l.config, "--model", "ep-1", "--api-key-file", l.dir + "/wrong", "--json"},
		{"cert", "verify", "--config", l.config, "--route", "asking", "--model", "ep-1", "--api-key-file", l.dir + "/wrong"},
		{"cert", "fetch", "--config", l.config, "--route", "proxied", "--model", "ep-1", "--api-key-file", l.dir + "/wrong", "--json"},
		{"cert", "fetch", "--config", l.config, "--route", "keyed", "--model", "ep-1"},
		{"exec", "--config", l.config, "--log-level", "debug", "--", "true"},
		{"version"},
	} {
		_, stdout, stderr := command(t, nil, args...)
		l.marks.mustMiss(t, fmt.Sprint(args, " on standard output"), stdout)
		l.marks.mustMiss(t, fmt.Sprint(args, " on standard error"), stderr)
		if stdout+stderr == "" && args[0] != "exec" && args[0] != "health" {
			t.Errorf("%v printed nothing", args)
		}
	}
}

// TestAStateDirThatIsAnybodysIsUsedSafely has what Kubernetes gives: an emptyDir
// is everybody's to write.
func TestAStateDirThatIsAnybodysIsUsedSafely(t *testing.T) {
	t.Parallel()
	e := startEnclave(t)
	e.dir = t.TempDir()
	e.config = filepath.Join(e.dir, "sealcar.yaml")
	state := filepath.Join(e.dir, "state")
	for _, err := range []error{os.Mkdir(state, 0o700), os.Chmod(state, 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e.writeConfig(t, "", "{source: api-key, roots: ROOTS}")
	e.sidecar = process.StartCommand(t, openHanded(t, "run", "--config", e.config))
	e.addr, _ = e.sidecar.AwaitKey(t, "listen")["listen"].(string)
	if status, body := e.send(t, chat(false, "hello")); status != http.StatusOK {
		t.Fatal(status, body)
	}
	private := 0
	err := filepath.WalkDir(state, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == state {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode()
		if mode.Perm()&0o022 != 0 || mode&os.ModeSymlink != 0 {
			t.Errorf("%s is %v", path, mode)
		}
		if secret := strings.Contains(path, "/certificates") || strings.HasSuffix(path, ".key"); secret {
			private++
			if mode.Perm()&0o077 != 0 {
				t.Errorf("%s is %v, want it for nobody else", path, mode)
			}
		}
		return nil
	})
	if err != nil || private < 3 {
		t.Errorf("%d private files and directories, %v", private, err)
	}
}

// openHanded runs sealcar with a umask that takes nothing away.
func openHanded(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "sh", append([]string{"-c", `umask 0 && exec "$@"`, "sh", sealcar}, args...)...)
	cmd.Env = process.Environment(t, nil)
	return cmd
}
