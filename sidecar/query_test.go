package sidecar_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/sidecar"
	"sealcar/test/certtest"
	"sealcar/test/inprocess"
)

func TestAQueryHasWhatItsSourceNeeds(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, source, credentials string
		model, key                string
		want                      ark.Query
		err                       error
	}{
		{"as told", "api-key", "request", "m", "given", ark.Query{Model: "m", Credential: "given"}, nil},
		{"no key to be had", "api-key", "request", "m", "", ark.Query{Model: "m"}, nil},
		{"the route's own key", "api-key", "file", "m", "", ark.Query{Model: "m", Credential: "own"}, nil},
		{"a given key goes first", "api-key", "file", "m", "given", ark.Query{Model: "m", Credential: "given"}, nil},
		{"no model", "api-key", "file", "", "given", ark.Query{}, sidecar.ErrNoModel},
		{"a chain with a member that needs a key", "chain", "file", "m", "", ark.Query{Model: "m", Credential: "own"}, nil},
		{"a source that needs no key", "openapi", "file", "m", "", ark.Query{Model: "m"}, nil},
		{"a file", "file", "file", "", "", ark.Query{Model: "file"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, r := config.Default(), config.NewRoute("ark", "ark.example")
			r.Certificate.Source, r.Certificate.Sources, r.Certificate.AICC = tt.source, []string{"openapi", "api-key"}, true
			r.Credentials.Source, r.Credentials.APIKeyFile = tt.credentials, keyFile
			made, err := sidecar.NewExaminedRoute(c, r)
			if err != nil {
				t.Fatal(err)
			}
			defer made.Close()
			tt.want.AICC = tt.err == nil
			if got, err := made.Endpoint().Query(t.Context(), tt.model, tt.key); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// The control plane has no key for a model named "file", and is not needed.
func TestAFileIsReadWithoutAnAPIKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "endpoint.pem", s.leaf)
	s.route = fmt.Sprintf("    credentials: {source: openapi, host: %q, access_key_file: %q, secret_key_file: %[2]q}\n",
		s.upstream.Listener.Addr(), filepath.Join(s.dir, "endpoint.pem"))
	p := s.run(t, fmt.Sprintf("revocation: {mode: off}, source: file, file: \"%s/endpoint.pem\"", s.dir))
	waitFor(t, p, `"ready":true,"detail":"configuration valid`)
	if n := s.chats.Load() + s.certificates.Load(); n != 0 {
		t.Errorf("%d questions were asked, want none", n)
	}
}

func TestOnlyWhatIsNotOnDiskYetIsKeptThere(t *testing.T) {
	t.Parallel()
	for source, kept := range map[string]bool{"api-key": true, "file": false} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.write(t, "endpoint.pem", s.leaf)
			settings := "source: " + source
			if source == "file" {
				settings += fmt.Sprintf(", file: \"%s/endpoint.pem\"", s.dir)
			}
			p := s.run(t, "revocation: {mode: off}, "+settings)
			if status, body := chat(t, p.Addr().String(), "ark.example"); s.chats.Load() != 1 {
				t.Fatalf("%d %s", status, body)
			}
			if _, err := os.Stat(filepath.Join(s.state, "certificates")); (err == nil) != kept {
				t.Errorf("%v, want it there: %t", err, kept)
			}
		})
	}
}

// A route that would warm up the second host too would not be ready before it
// has asked there.
func TestOnlyTheFirstHostIsWarmedUp(t *testing.T) {
	t.Parallel()
	s, e := newSite(t), new(egress)
	var first, second atomic.Int64
	e.start(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "first.example") {
			first.Add(1)
		} else {
			second.Add(1)
		}
		s.serve(w, r)
	})
	keyFile := filepath.Join(s.dir, "key")
	if err := os.WriteFile(keyFile, []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := inprocess.StartSidecar(t, fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
state_dir: %q
routes:
  - name: ark
    hosts: [first.example, second.example]
    upstream_ca_file: %q
    upstream_proxy: http://%s
    credentials: {source: file, api_key_file: %q}
    certificate: {roots: "%s/roots.pem", warm_up: [m], revocation: {mode: off}}
`, t.TempDir(), e.caFile, e.addr, keyFile, s.dir), nil)
	waitFor(t, p.Proxy, "1 endpoint certificates verified")
	if first.Load() != 1 || second.Load() != 0 {
		t.Errorf("the hosts were asked %d and %d times, want 1 and 0", first.Load(), second.Load())
	}
}

func TestARouteIsMadeColdAndAnExaminedOneLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, r := config.Default(), config.NewRoute("ark", "ark.example")
	c.StateDir = filepath.Join(t.TempDir(), "state")
	r.Upstream, r.UpstreamCA = s.upstream.URL, string(certtest.PEM(s.upstream.Certificate()))
	r.Certificate.Roots, r.Certificate.Revocation.Mode = string(certtest.PEM(s.root)), "off"
	r.Certificate.WarmUp = []string{"m"}
	made, err := sidecar.NewExaminedRoute(c, r)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if err := made.Endpoint().Certificates.Warm(); err != nil {
		t.Errorf("it warms up: %v", err)
	}
	if _, err := made.Endpoint().Certificates.Certificate(t.Context(), ark.Query{Model: "m", Credential: "key"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("state_dir: %v, want none", err)
	}
}
