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
		}, "credentials: "},
		"the credentials' secret key": {func(r *config.Route) {
			r.Credentials.Source, r.Credentials.AccessKeyFile, r.Credentials.SecretKeyFile = "openapi", there, missing
		}, "credentials: "},
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
