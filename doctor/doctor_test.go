package doctor_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealcar/config"
	"sealcar/doctor"
)

// examine examines the way to a TLS server that answers every request alike, by
// a clock that is off by skew.
func examine(t *testing.T, skew time.Duration, edit func(text string) string) (well bool, findings map[string]doctor.Finding) {
	t.Helper()
	upstream := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(upstream.Close)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("state_dir: %q\nroutes: [{name: ark, hosts: [ark.example], upstream: %q, upstream_ca_file: %q}]\n", dir, upstream.URL, ca)
	c, err := config.Load(config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=" + edit(text)}})
	if err != nil {
		t.Fatal(err)
	}
	findings = map[string]doctor.Finding{}
	well = doctor.Examine(t.Context(), doctor.Options{Config: c, Now: func() time.Time { return time.Now().Add(skew) }}, func(f doctor.Finding) {
		findings[f.Step] = f
	})
	return well, findings
}

func same(text string) string { return text }

func TestAClockThatIsOffIsFound(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		well, findings := examine(t, skew, same)
		if f := findings["tls"]; well || f.Verdict != doctor.Bad || !strings.Contains(f.Saw, "clock") || !strings.Contains(f.Next, "NTP") {
			t.Errorf("%v off: %+v", skew, f)
		}
		if f := findings["certificate"]; f.Verdict != doctor.Skipped || !strings.Contains(f.Saw, "tls failed") {
			t.Errorf("after that: %+v", f)
		}
	}
	if well, findings := examine(t, time.Second, same); !well || findings["tls"].Verdict != doctor.Good {
		t.Errorf("a second off: %+v", findings["tls"])
	}
}

func TestWhatIsNotAskedForIsSkippedAndNoFault(t *testing.T) {
	t.Parallel()
	well, findings := examine(t, 0, same)
	if !well {
		t.Errorf("not well: %v", findings)
	}
	for step, next := range map[string]string{"certificate": "--model", "chat": "--probe"} {
		if f := findings[step]; f.Verdict != doctor.Skipped || !strings.Contains(f.Next, next) {
			t.Errorf("%s: %+v, want it skipped with %q", step, f, next)
		}
	}
}

func TestAnEgressProxyIsWhatIsConnectedTo(t *testing.T) {
	t.Parallel()
	well, findings := examine(t, 0, func(text string) string {
		return strings.Replace(text, "name: ark", `name: ark, upstream_proxy: "http://127.0.0.1:1"`, 1)
	})
	if f := findings["tcp"]; well || f.Verdict != doctor.Bad || !strings.Contains(f.Saw, "127.0.0.1:1") {
		t.Errorf("tcp: %+v", f)
	}
	if f := findings["name"]; f.Verdict != doctor.Skipped {
		t.Errorf("name: %+v", f)
	}
}

// An upstream that makes a connection and then says nothing holds nobody up.
func TestAnUpstreamThatNeverAnswersIsFound(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	upstream := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	t.Cleanup(upstream.Close)
	t.Cleanup(func() { close(over) })
	dir := t.TempDir()
	writePEM(t, filepath.Join(dir, "ca.pem"), upstream.Certificate())
	text := fmt.Sprintf("state_dir: state\ntimeouts: {dial: 1s, tls_handshake: 1s}\nroutes: [{name: ark, hosts: [ark.example], upstream: %q, upstream_ca_file: ca.pem}]\n", upstream.URL)
	c, err := config.Load(config.Source{Dir: dir, Environ: []string{"SEALCAR_CONFIG_YAML=" + text}})
	if err != nil {
		t.Fatal(err)
	}
	findings := map[string]doctor.Finding{}
	doctor.Examine(t.Context(), doctor.Options{Config: c}, func(f doctor.Finding) { findings[f.Step] = f })
	if f := findings["tls"]; f.Verdict != doctor.Bad || !strings.Contains(f.Saw, "deadline") {
		t.Errorf("tls: %+v", f)
	}
}
