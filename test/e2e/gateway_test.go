package e2e_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/test/certtest"
	"sealcar/test/process"
)

const gatewayToken = "canary-token-0123456789"

// startGateway runs a sidecar on every address, as others would use it.
func startGateway(t *testing.T) (e *ends, port string) {
	t.Helper()
	e = startEnclave(t)
	e.dir = t.TempDir()
	e.config = filepath.Join(e.dir, "sealcar.yaml")
	writeSelfSigned(t, filepath.Join(e.dir, "tls.crt"), filepath.Join(e.dir, "tls.key"))
	if err := os.WriteFile(filepath.Join(e.dir, "tokens"), []byte("app:"+gatewayToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.writeConfig(t, "listen_tls: {cert_file: tls.crt, key_file: tls.key}\nclient_auth: {token_file: tokens}", "{source: api-key, roots: ROOTS}")
	e.sidecar = process.Start(t, sealcar, map[string]string{"SEALCAR_LISTEN": "0.0.0.0:0"}, "run", "--config", e.config)
	listen, _ := e.sidecar.AwaitKey(t, "listen")["listen"].(string)
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	return e, port
}

// writeSelfSigned writes a certificate for 127.0.0.1 that clients can be told to
// trust, and its key.
func writeSelfSigned(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key := certtest.Key(t)
	cert := certtest.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "gateway"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, nil, key, key.Public())
	for path, text := range map[string][]byte{certFile: certtest.PEM(cert), keyFile: certtest.KeyPEM(t, key)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// curl sends a chat and gives the statuses, the proxy's and the server's, and the
// body.
func (e *ends) curl(t *testing.T, args ...string) (statuses, body string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{
		"-sS", "-o", "-", "-w", "\n%{http_connect} %{http_code}", "-H", "Authorization: Bearer " + e.key, "-H", "Content-Type: application/json", "-d", chat(false, "hello"),
		"--proxy-cacert", filepath.Join(e.dir, "tls.crt"),
	}, args...)...)
	cmd.Env = process.Environment(t, nil)
	out, _ := cmd.Output() // a refused CONNECT is an error to curl
	at := strings.LastIndexByte(string(out), '\n')
	if at < 0 {
		t.Fatalf("curl %v: %s", args, out)
	}
	return string(out[at+1:]), string(out[:at])
}

func TestAGatewayServesItsClientsAndNobodyElse(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	e, port := startGateway(t)
	known, unknown := "https://app:"+gatewayToken+"@127.0.0.1:"+port, "https://127.0.0.1:"+port
	localCA := filepath.Join(e.dir, "state", "ca", "ca.crt")
	base := []string{"https://127.0.0.1:" + port + "/v1/chat/completions", "--cacert", filepath.Join(e.dir, "tls.crt")}
	for name, tt := range map[string]struct {
		args []string
		want string // the statuses
	}{
		"CONNECT":                     {[]string{"-x", known, "--cacert", localCA, "https://" + arkHost + chatPath}, "200 200"},
		"absolute":                    {[]string{"-x", known, "http://" + arkHost + chatPath}, "000 200"},
		"base URL":                    {append([]string{"-H", "X-Sealcar-Token: " + gatewayToken}, base...), "000 200"},
		"CONNECT, unknown":            {[]string{"-x", unknown, "--cacert", localCA, "https://" + arkHost + chatPath}, "407 000"},
		"absolute, unknown":           {[]string{"-x", unknown, "http://" + arkHost + chatPath}, "000 407"},
		"base URL, unknown":           {base, "000 401"},
		"the gateway's own network":   {[]string{"-x", known, "-p", "http://127.0.0.1/"}, "400 000"},
		"a port that is not the webs": {[]string{"-x", known, "-k", "https://" + e.upstream + chatPath}, "400 000"},
		"metadata":                    {[]string{"-x", known, "http://169.254.169.254/latest/meta-data/"}, "000 400"},
	} {
		statuses, body := e.curl(t, tt.args...)
		if statuses != tt.want || strings.HasSuffix(tt.want, "200") != strings.Contains(body, "hello") {
			t.Errorf("%s: got %s, want %s\n%s", name, statuses, tt.want, body)
		}
	}
	e.sidecar.Await(t, 3, "chats of the client", func(line map[string]any) bool { return line["client"] == "app" && line["treatment"] == "sealed" })
	if strings.Contains(e.sidecar.Log(), "canary") {
		t.Errorf("the token is in the log:\n%s", e.sidecar.Log())
	}
	if n := strings.Count(e.enclave.Log(), `"treatment":"sealed"`); n != 3 {
		t.Errorf("%d chats arrived, want 3", n)
	}

	// A sidecar of a command's own is reached by that command alone.
	status, stdout, stderr := command(t, nil, "exec", "--config", e.config, "--", "curl", "-sS", "--fail-with-body", "http://"+arkHost+chatPath,
		"-H", "Authorization: Bearer "+e.key, "-H", "Content-Type: application/json", "-d", chat(false, "hello"))
	if status != 0 || !strings.Contains(stdout, "hello") {
		t.Errorf("exec: status %d\n%s%s", status, stdout, stderr)
	}
}

func TestCheckReadsWhatAGatewayNeeds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sealcar.yaml")
	text := "listen: 0.0.0.0:8443\nlisten_tls: {cert_file: none.crt, key_file: none.key}\nclient_auth: {token_file: none}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := command(t, nil, "check", "--config", path)
	for _, setting := range []string{"listen_tls.cert_file", "client_auth.token_file"} {
		if status == 0 || !strings.Contains(stdout+stderr, setting) {
			t.Errorf("status %d, nothing of %s\n%s%s", status, setting, stdout, stderr)
		}
	}
}
