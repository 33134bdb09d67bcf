package charts_test

import (
	"path/filepath"
	"testing"

	"sealcar/config"
)

const airGapped = "charts/examples/air-gapped"

func TestAirGappedValuesFit(t *testing.T) {
	t.Parallel()
	args := []string{"charts/sealcar", "--kube-version", newest, "-f", airGapped + "/values.yaml"}
	if out, err := run(t, nil, "helm", append([]string{"lint", "--strict"}, args...)...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	manifests, err := run(t, nil, "helm", append([]string{"template", "sealcar"}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, manifests)
	}
	schemas := t.TempDir()
	writeSchemas(t, filepath.Join(tools(t), "swagger-"+newest+".json"), schemas)
	conform(t, schemas, manifests, true)
}

// What it names is in the same folder, so that it all fits into one ConfigMap,
// and there is nothing to fetch.
func TestAirGappedConfigurationFetchesNothing(t *testing.T) {
	t.Parallel()
	file, err := filepath.Abs(filepath.Join(top, airGapped, "sealcar.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{Path: file, Environ: []string{"SEALCAR_STATE_DIR=" + t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	route := c.Routes[0]
	if c.Egress.Default != "deny" || route.Certificate.Source != "file" || route.Certificate.Revocation.Mode != "off" {
		t.Errorf("egress %s, certificate from %s, revocation %s", c.Egress.Default, route.Certificate.Source, route.Certificate.Revocation.Mode)
	}
	for _, named := range []string{route.UpstreamCAFile, route.Certificate.File, route.Certificate.Roots} {
		if filepath.Dir(named) != filepath.Dir(file) {
			t.Errorf("%s is elsewhere", named)
		}
	}
}
