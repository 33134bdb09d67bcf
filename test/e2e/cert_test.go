package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// certFacts is what `sealcar cert --json` prints.
type certFacts struct {
	Certificate *struct {
		Model, Source, Subject, Serial string
		Fetched                        string
	}
	Error *struct{ Code, Message string }
}

// cert runs `sealcar cert` for ep-1 with the enclave's API key, which it must
// not tell.
func (e *ends) cert(t *testing.T, action string, flags ...string) (status int, stdout, stderr string) {
	t.Helper()
	args := append([]string{"cert", action, "--config", e.config, "--model", "ep-1", "--api-key-file", filepath.Join(e.state, "api-key")}, flags...)
	status, stdout, stderr = command(t, nil, args...)
	if strings.Contains(stdout+stderr, e.key) {
		t.Errorf("cert %s told the API key", action)
	}
	return status, stdout, stderr
}

func (e *ends) certJSON(t *testing.T, action string, flags ...string) (status int, facts certFacts) {
	t.Helper()
	status, stdout, stderr := e.cert(t, action, append(flags, "--json")...)
	if err := json.Unmarshal([]byte(stdout), &facts); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	return status, facts
}

// asked is how often the enclave was asked for a certificate.
func (e *ends) asked() int { return strings.Count(e.enclave.Log(), fetches) }

func TestCertTellsOfTheCertificate(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"show", "fetch", "verify"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			e := configured(t, "", "{source: chain, sources: [api-key, file], file: KEYS/endpoint.pem, roots: ROOTS}")
			status, stdout, stderr := e.cert(t, action)
			if status != 0 || stderr != "" {
				t.Errorf("status %d, %s", status, stderr)
			}
			for _, name := range []string{"model        ep-1\n", "subject      ", "issuer       ", "serial       ", "spki pin     ", "valid        ", "revocation   ", "source       api-key\n", "age          "} {
				if !strings.Contains(stdout, name) {
					t.Errorf("no %q in\n%s", name, stdout)
				}
			}
			status, facts := e.certJSON(t, action)
			if c := facts.Certificate; status != 0 || facts.Error != nil || c == nil || c.Model != "ep-1" || c.Source != "api-key" || c.Subject == "" || !strings.Contains(stdout, c.Serial) {
				t.Errorf("status %d, %+v", status, facts)
			}
		})
	}
}

func TestCertTellsWhyThereIsNone(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"show", "fetch", "verify"} {
		for _, test := range []struct {
			misbehave, code string
			edit            func(*testing.T, *ends)
		}{
			{"leaf-foreign-root", "certificate_untrusted", nil},
			{"certificate-hang", "certificate_unavailable", impatient},
			{"certificate-drip", "certificate_unavailable", impatient},
		} {
			t.Run(action+" "+test.misbehave, func(t *testing.T) {
				t.Parallel()
				e := configured(t, "", "{source: api-key, roots: ROOTS}", "--misbehave", test.misbehave)
				if test.edit != nil {
					test.edit(t, e)
				}
				if status, facts := e.certJSON(t, action); status != 1 || facts.Certificate != nil || facts.Error == nil || facts.Error.Code != test.code || facts.Error.Message == "" {
					t.Errorf("status %d, %+v, want %s", status, facts, test.code)
				}
				if status, stdout, stderr := e.cert(t, action); status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "sealcar: ") {
					t.Errorf("status %d\n%s%s", status, stdout, stderr)
				}
			})
		}
	}
}

// show asks once and keeps what it gets, fetch asks each time and once, verify
// asks each time and keeps nothing.
func TestCertAsksAndKeepsAsItSays(t *testing.T) {
	t.Parallel()
	e := configured(t, "", "{source: api-key, roots: ROOTS}")
	asked := 0
	for _, step := range []struct {
		action string
		asks   int
		keeps  bool
	}{
		{"verify", 1, false},
		{"verify", 1, false},
		{"fetch", 1, true},
		{"show", 0, true},
		{"fetch", 1, true},
		{"verify", 1, true},
	} {
		if status, facts := e.certJSON(t, step.action); status != 0 {
			t.Errorf("%s: status %d, %+v", step.action, status, facts)
		}
		asked += step.asks
		eventually(t, func() bool { return e.asked() >= asked }, func() string { return step.action + " did not ask" })
		if n := e.asked(); n != asked {
			t.Errorf("after %s the enclave was asked %d times, want %d", step.action, n, asked)
		}
		if !step.keeps {
			e.untouched(t)
		}
	}
	if kept, err := os.ReadDir(filepath.Join(e.dir, "state", "certificates")); err != nil || len(kept) == 0 {
		t.Errorf("kept: %v, %v", kept, err)
	}
}

// A file needs no model and no API key, even if the route could get one from a
// control plane; here from one that is not there.
func TestCertReadsAFileWithoutAnAPIKey(t *testing.T) {
	t.Parallel()
	e := configured(t, "", `{source: file, file: KEYS/endpoint.pem, roots: ROOTS}
    credentials: {source: openapi, host: "127.0.0.1:1", access_key_file: KEYS/ak, secret_key_file: KEYS/sk}`)
	for _, args := range [][]string{{"cert", "show"}, {"cert", "fetch"}, {"cert", "verify"}, {"doctor"}} {
		status, stdout, stderr := command(t, nil, append(args, "--config", e.config)...)
		if status != 0 || !strings.Contains(stdout, "serial") {
			t.Errorf("%v: status %d\n%s%s", args, status, stdout, stderr)
		}
	}
}
