package sidecar_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/config"
	"sealcar/sidecar"
)

func TestCheckReadsTheFilesOfTheDataPort(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.ListenTLS = config.ListenTLS{CertFile: "/srv/none.crt", KeyFile: "/srv/none.key", ClientCAFile: "/srv/none.pem"}
	c.ClientAuth.TokenFile = "/srv/none"
	err := sidecar.Check(c)
	for _, setting := range []string{"listen_tls.cert_file", "listen_tls.client_ca_file", "client_auth.token_file"} {
		if err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("error %v, want one that names %s", err, setting)
		}
	}
}

func TestCheckTellsOfEachFileOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there, missing := filepath.Join(dir, "there"), filepath.Join(dir, "missing")
	if err := os.WriteFile(there, []byte("word"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		edit func(*config.Route)
		want string // of the one line; "" = none
	}{
		"nothing":     {func(*config.Route) {}, ""},
		"authorities": {func(r *config.Route) { r.UpstreamCAFile = missing }, "upstream_ca_file"},
		"the credentials' access key": {func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile = "openapi", missing, there
		}, "credentials.access_key_file"},
		"the credentials' secret key": {func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile = "openapi", there, missing
		}, "credentials.secret_key_file"},
		"the credentials' keys are there": {func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile = "openapi", there, there
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, r := config.Default(), config.NewRoute("ark", "ark.example")
			tt.edit(&r)
			c.Routes = []config.Route{r}
			err := sidecar.Check(c)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "":
			case err == nil, strings.Contains(err.Error(), "\n"), strings.Count(err.Error(), "route") != 1,
				!strings.Contains(err.Error(), tt.want), !strings.Contains(err.Error(), missing):
				t.Errorf("got %v, want one line with %q and the file", err, tt.want)
			}
		})
	}
}

func TestT61_EveryFileWithALooseModeIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tight, secret, roots := filepath.Join(dir, "tight"), filepath.Join(dir, "secret"), filepath.Join(dir, "roots")
	for path, mode := range map[string]os.FileMode{tight: 0o600, secret: 0o644, roots: 0o666} {
		if err := os.WriteFile(path, []byte("user:canary"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, edit := range map[string]func(*config.Route){
		"credentials.api_key_file": func(r *config.Route) { r.Credentials.Source, r.Credentials.APIKeyFile = "file", secret },
		"credentials.access_key_file": func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile = "openapi", secret, tight
		},
		"credentials.secret_key_file": func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile = "openapi", tight, secret
		},
		"credentials.security_token_file": func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile, r.Credentials.SecurityTokenFile = "openapi", tight, tight, secret
		},
		"certificate.access_key_file": func(r *config.Route) {
			r.Certificate.Source, r.Certificate.AccessKeyFile, r.Certificate.SecretKeyFile = "openapi", secret, tight
		},
		"certificate.secret_key_file": func(r *config.Route) {
			r.Certificate.Source, r.Certificate.AccessKeyFile, r.Certificate.SecretKeyFile = "openapi", tight, secret
		},
		"upstream_proxy_auth_file":     func(r *config.Route) { r.UpstreamProxy, r.UpstreamProxyAuth = "http://proxy.example", secret },
		"upstream_tls.client_key_file": func(r *config.Route) { r.UpstreamTLS.ClientCertFile, r.UpstreamTLS.ClientKeyFile = tight, secret },
		"upstream_ca_file":             func(r *config.Route) { r.UpstreamCAFile = roots },
		"certificate.roots":            func(r *config.Route) { r.Certificate.Roots = roots },
	} {
		c, r := config.Default(), config.NewRoute("ark", "ark.example")
		edit(&r)
		c.Routes = []config.Route{r}
		err := sidecar.Check(c)
		if err == nil || !strings.Contains(err.Error(), "mode 06") || !strings.Contains(err.Error(), "chmod") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
