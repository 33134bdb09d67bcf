package e2e_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// finding is one step as `sealcar doctor --json` prints it.
type finding struct{ Route, Step, Verdict, Saw, Next string }

// examine runs the doctor on a configuration and gives its findings by step.
func examine(t *testing.T, e *ends, flags ...string) (status int, findings map[string]finding) {
	t.Helper()
	args := append([]string{"doctor", "--json", "--config", e.config, "--model", "ep-1", "--api-key-file", filepath.Join(e.state, "api-key")}, flags...)
	status, stdout, stderr := command(t, nil, args...)
	var list []finding
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	findings = map[string]finding{}
	for _, f := range list {
		findings[f.Step] = f
	}
	if strings.Contains(stdout, e.key) {
		t.Error("the doctor told the API key")
	}
	return status, findings
}

func TestTheDoctorFindsNothingWhereAllIsWell(t *testing.T) {
	t.Parallel()
	e := configured(t, "", "{source: api-key, roots: ROOTS}")
	status, findings := examine(t, e, "--probe")
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, step := range []string{"configuration", "files", "name", "tcp", "tls", "certificate", "chat"} {
		if findings[step].Verdict != "ok" {
			t.Errorf("%s: %+v", step, findings[step])
		}
	}
	e.enclave.Await(t, 1, "a sealed chat", func(entry map[string]any) bool { return entry["treatment"] == "sealed" })
}

// configured is an enclave and the configuration of a sidecar that does not run.
func configured(t *testing.T, further, certificate string, flags ...string) *ends {
	t.Helper()
	e := startEnclave(t, flags...)
	e.dir = t.TempDir()
	e.config = filepath.Join(e.dir, "sealcar.yaml")
	e.writeConfig(t, further, certificate)
	return e
}

// replace changes the configuration's text.
func (e *ends) replace(t *testing.T, old, replacement string) {
	t.Helper()
	text := read(t, e.config)
	if !strings.Contains(text, old) {
		t.Fatalf("the configuration has no %q", old)
	}
	if err := os.WriteFile(e.config, []byte(strings.Replace(text, old, replacement, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTheDoctorNamesEachFault injects one fault at a time: the step that fails is
// the one at fault, what it says names the fault, and it tells what to do.
func TestTheDoctorNamesEachFault(t *testing.T) {
	t.Parallel()
	const apiKey = "{source: api-key, roots: ROOTS}"
	tests := []struct {
		name        string
		certificate string
		misbehave   string
		edit        func(*testing.T, *ends)
		flags       []string
		step        string
		saw, next   string
	}{
		{"a mistake in the configuration", apiKey, "", func(t *testing.T, e *ends) { e.replace(t, "hosts:", "hots:") }, nil, "configuration", "no such key", "sealcar check"},
		{"a file that is not there", apiKey, "", func(t *testing.T, e *ends) { e.replace(t, "tls-ca.pem", "nowhere.pem") }, nil, "files", "nowhere.pem", "Correct"},
		{"roots that are none", "{source: api-key, roots: KEYS/api-key}", "", nil, nil, "files", "certificate.roots", "Correct"},
		{"a name that does not resolve", apiKey, "", func(t *testing.T, e *ends) { e.replace(t, e.upstream, "no-such-host.invalid") }, nil, "name", "no-such-host.invalid", "DNS"},
		{"nobody listens", apiKey, "", func(t *testing.T, e *ends) { e.replace(t, e.upstream, "127.0.0.1:1") }, nil, "tcp", "refused", "firewall"},
		{"TLS of an unknown authority", apiKey, "", func(t *testing.T, e *ends) {
			e.replace(t, "upstream_ca_file: "+filepath.Join(e.state, "tls-ca.pem"), "")
		}, nil, "tls", "unknown authority", "upstream_ca_file"},
		{"a pin that does not match", apiKey, "", func(t *testing.T, e *ends) {
			e.replace(t, "    certificate:", "    upstream_tls: {pins: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]}\n    certificate:")
		}, nil, "tls", "pins", "upstream_tls.pins"},
		{"a wrong API key", apiKey, "", func(t *testing.T, e *ends) {
			if err := os.WriteFile(filepath.Join(e.state, "api-key"), []byte("sk-wrong\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, "certificate", "certificate_unauthorized", "docs/errors.md"},
		{"a model that has no certificate", apiKey, "certificate-wrong-model", nil, nil, "certificate", "certificate_not_found", "docs/errors.md"},
		{"the certificate endpoint fails", apiKey, "certificate-500", nil, nil, "certificate", "certificate_unavailable", "docs/errors.md"},
		{"the certificate endpoint is a web page", apiKey, "certificate-html", nil, nil, "certificate", "certificate_unavailable", "docs/errors.md"},
		{"the certificate endpoint hangs", apiKey, "certificate-hang", impatient, nil, "certificate", "certificate_unavailable", "docs/errors.md"},
		{"the certificate endpoint drips", apiKey, "certificate-drip", impatient, nil, "certificate", "certificate_unavailable", "docs/errors.md"},
		{"who listens says nothing", apiKey, "", func(t *testing.T, e *ends) {
			e.replace(t, e.upstream, silent(t))
			e.replace(t, "\nroutes:", "\ntimeouts: {tls_handshake: 1s}\nroutes:")
		}, nil, "tls", "timeout", "speaks TLS"},
		{"another root", apiKey, "leaf-foreign-root", nil, nil, "certificate", "unknown authority", "certificate.roots"},
		{"an expired leaf", apiKey, "leaf-expired", nil, nil, "certificate", "expired", "clock"},
		{"a wrong key usage", apiKey, "leaf-wrong-ku", nil, nil, "certificate", "keyAgreement", "in the way"},
		{"revocation that cannot be asked", "{source: api-key, roots: ROOTS, revocation: {mode: hard}}", "", nil, nil, "revocation", "unknown", "soft"},
		{"replies in clear", apiKey, "reply-plaintext", nil, []string{"--probe"}, "chat", "reply_in_clear", "docs/errors.md"},
		{"replies that do not open", apiKey, "reply-bad-tag", nil, []string{"--probe"}, "chat", "reply_not_authentic", "docs/errors.md"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var flags []string
			if test.misbehave != "" {
				flags = []string{"--misbehave", test.misbehave}
			}
			e := configured(t, "", test.certificate, flags...)
			if test.edit != nil {
				test.edit(t, e)
			}
			status, findings := examine(t, e, test.flags...)
			if status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			for step, f := range findings {
				if (f.Verdict == "failed") != (step == test.step) {
					t.Errorf("%s: %+v, want %s to fail and no other", step, f, test.step)
				}
			}
			if f := findings[test.step]; !strings.Contains(f.Saw, test.saw) || !strings.Contains(f.Next, test.next) {
				t.Errorf("%+v, want %q and %q in it", f, test.saw, test.next)
			}
		})
	}
}

// impatient lets a certificate take a second.
func impatient(t *testing.T, e *ends) {
	t.Helper()
	e.replace(t, "\nroutes:", "\ntimeouts: {certificate: 1s}\nroutes:")
}

// silent listens, and does nothing else.
func silent(t *testing.T) (addr string) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// TestTheDoctorWritesNothing has what a sidecar would keep, and warm up.
func TestTheDoctorWritesNothing(t *testing.T) {
	t.Parallel()
	e := configured(t, "", "{source: api-key, roots: ROOTS, warm_up: [ep-other]}\n    credentials: {source: file, api_key_file: KEYS/api-key}")
	if status, findings := examine(t, e, "--probe"); status != 0 {
		t.Errorf("status %d, %+v", status, findings)
	}
	e.untouched(t)
}

// untouched wants that the sidecar's state_dir was not even made.
func (e *ends) untouched(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(e.dir, "state")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("state_dir: %v, want none", err)
	}
}

func TestTheDoctorFailsForWhatItWasAskedAndCannotDo(t *testing.T) {
	t.Parallel()
	e := configured(t, "", "{source: api-key, roots: ROOTS}")
	empty := filepath.Join(e.dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		flags []string
		step  string
	}{
		{"a key file that is not there", []string{"--api-key-file", filepath.Join(e.dir, "nowhere")}, "api-key"},
		{"an empty key file", []string{"--api-key-file", empty}, "api-key"},
		{"a probe of no model", []string{"--model", "", "--probe"}, "chat"},
	}
	for _, test := range tests {
		status, findings := examine(t, e, test.flags...)
		if f := findings[test.step]; status != 1 || f.Verdict != "failed" || f.Next == "" {
			t.Errorf("%s: status %d, %+v", test.name, status, f)
		}
	}
}
