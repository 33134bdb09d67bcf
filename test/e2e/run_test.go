package e2e_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sealcar/test/process"
)

func TestAChatGoesThroughSealedWhateverTheSourceOfItsCertificate(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, certificate, ready string }{
		{"api-key", "{source: api-key, roots: ROOTS}", "awaiting first request"},
		{"file", "{source: file, file: KEYS/endpoint.pem, roots: ROOTS}", "1 endpoint certificates verified"},
		{"openapi", "{source: openapi, access_key_file: KEYS/ak, secret_key_file: KEYS/sk, host: ENCLAVE, roots: ROOTS, warm_up: [ep-1]}", "1 endpoint certificates verified"},
		{"api-key, AICC", "{source: api-key, roots: ROOTS, aicc: true}", "awaiting first request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, "", test.certificate)
			eventually(t, func() bool { // the warm-up goes on in the background
				status, text := e.ask(t, "/readyz?verbose")
				return status == http.StatusOK && strings.Contains(text, test.ready)
			}, func() string { return "not ready, or without " + test.ready })
			if status, body := e.send(t, chat(false, "hello")); status != http.StatusOK || !strings.Contains(body, "You said: hello") {
				t.Errorf("got %d %s", status, body)
			}
			e.enclave.Await(t, 1, "a sealed chat", func(entry map[string]any) bool { return entry["treatment"] == "sealed" })
		})
	}
}

func TestARunDrainsOpenStreamsOnSIGTERM(t *testing.T) {
	t.Parallel()
	e := start(t, "", "", "--echo-delay", "50ms")
	body := e.stream(t, "a b c d e f g h i j k l m n o p q r s t")
	e.sidecar.Signal(t, syscall.SIGTERM)
	rest, err := io.ReadAll(body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("the open stream ended with %v and %q", err, rest)
	}
	if status := e.sidecar.Wait(t); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestARunCutsStreamsAtTheEndOfTheDrain(t *testing.T) {
	t.Parallel()
	e := start(t, "timeouts: {drain: 100ms}", "", "--echo-delay", "200ms")
	body := e.stream(t, strings.Repeat("word ", 600)) // two minutes
	e.sidecar.Signal(t, syscall.SIGTERM)
	if rest, err := io.ReadAll(body); err == nil {
		t.Errorf("the cut stream looked complete: %q", rest)
	}
	if status := e.sidecar.Wait(t); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
}

func TestT28_KillingTheEnclaveMidStreamIsAnError(t *testing.T) {
	t.Parallel()
	e := start(t, "", "", "--echo-delay", "50ms")
	body := e.stream(t, strings.Repeat("word ", 600))
	e.enclave.Stop(t, syscall.SIGKILL)
	rest, err := io.ReadAll(body)
	if err == nil {
		t.Error("the body ended cleanly")
	}
	if !strings.Contains(string(rest), `"code":"reply_truncated"`) || strings.Contains(string(rest), "data: [DONE]") {
		t.Errorf("the stream ended with %.300q", rest)
	}
}

func TestAReloadTakesEffectAndABadOneDoesNot(t *testing.T) {
	t.Parallel()
	e := start(t, "", "")
	if status, body := e.send(t, chat(false, strings.Repeat("x", 5000))); status != http.StatusOK {
		t.Fatal(status, body)
	}
	reloads := []struct {
		name, further, message string
		signal                 bool
		want                   int
	}{
		{"a smaller limit, by file change", "limits: {request_bytes: 4KiB}", "the new configuration is in force", false, http.StatusRequestEntityTooLarge},
		{"a bad file keeps the old one", "limits: {request_bytes: many}", "the new configuration is not used; the old one stays in force", false, http.StatusRequestEntityTooLarge},
		{"back again, by SIGHUP", "", "the new configuration is in force", true, http.StatusOK},
	}
	seen := map[string]int{}
	for _, r := range reloads {
		e.writeConfig(t, r.further, "{source: api-key, roots: ROOTS}")
		if r.signal {
			e.sidecar.Signal(t, syscall.SIGHUP)
		}
		seen[r.message]++
		e.sidecar.Await(t, seen[r.message], r.message, func(entry map[string]any) bool { return entry["message"] == r.message })
		if status, body := e.send(t, chat(false, strings.Repeat("x", 5000))); status != r.want {
			t.Errorf("%s: %d %s, want %d", r.name, status, body, r.want)
		}
	}
}

func TestNothingSecretIsLoggedOrCounted(t *testing.T) {
	t.Parallel()
	const canary = "canary-40817"
	e := start(t, "log: {level: debug, format: json}", "")
	e.send(t, chat(false, canary))
	e.send(t, `{"model":"ep-1","messages":[{"role":"user","content":"`+canary+`"},{"role":"user","content":["`+canary+`"]}]}`)
	e.send(t, canary)
	e.sidecar.Await(t, 3, "requests", func(entry map[string]any) bool { return entry["message"] == "request" })
	_, metrics := e.ask(t, "/metrics")
	_, ready := e.ask(t, "/readyz?verbose")
	for name, text := range map[string]string{"the sidecar's log": e.sidecar.Log(), "the enclave's log": e.enclave.Log(), "metrics": metrics, "readyz": ready} {
		for _, secret := range []string{canary, e.key} {
			if strings.Contains(text, secret) {
				t.Errorf("%s hold %q", name, secret)
			}
		}
	}
}

func TestARunNeedsNoFile(t *testing.T) {
	t.Parallel()
	s := process.Start(t, sealcar, map[string]string{
		"SEALCAR_LISTEN": "127.0.0.1:0", "SEALCAR_ADMIN_LISTEN": "127.0.0.1:0", "SEALCAR_LOG_FORMAT": "json", "XDG_CACHE_HOME": t.TempDir(),
	}, "run")
	admin, _ := s.AwaitKey(t, "admin")["admin"].(string)
	e := &ends{admin: admin}
	if status, text := e.ask(t, "/readyz?verbose"); status != http.StatusOK || !strings.Contains(text, "awaiting first request") {
		t.Errorf("readyz: %d %s", status, text)
	}
}

func TestT14_AnEnclaveOfAnotherRootIsNotTrusted(t *testing.T) {
	t.Parallel()
	other := startEnclave(t)
	e := start(t, "", "{source: api-key, roots: "+filepath.Join(other.state, "roots.pem")+"}")
	status, body := e.send(t, chat(false, "hello"))
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"certificate_untrusted"`) {
		t.Errorf("got %d %s", status, body)
	}
	if strings.Contains(e.enclave.Log(), chatPath) {
		t.Error("a chat reached the enclave")
	}
}

func TestCachesAndTheAuthoritySurviveARestart(t *testing.T) {
	t.Parallel()
	e := start(t, "", "")
	if status, body := e.send(t, chat(false, "one")); status != http.StatusOK {
		t.Fatal(status, body)
	}
	ca := read(t, e.dir, "state", "ca", "ca.crt")
	e.sidecar.Stop(t, syscall.SIGTERM)
	e.sidecar = process.Start(t, sealcar, nil, "run", "--config", e.config)
	e.addr, _ = e.sidecar.AwaitKey(t, "listen")["listen"].(string)
	if status, body := e.send(t, chat(false, "two")); status != http.StatusOK {
		t.Fatal(status, body)
	}
	if read(t, e.dir, "state", "ca", "ca.crt") != ca {
		t.Error("the restart made a new authority")
	}
	if n := strings.Count(e.enclave.Log(), "/e2e/get/certificate"); n != 1 {
		t.Errorf("the certificate was fetched %d times, want once", n)
	}
	if info, err := os.Stat(filepath.Join(e.dir, "state", "ca", "ca.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca.key: %v, %v", info.Mode(), err)
	}
}
