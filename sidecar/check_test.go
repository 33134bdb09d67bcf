package sidecar_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/config"
	"sealcar/sidecar"
)

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
