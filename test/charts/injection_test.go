package charts_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write what the chart renders into webhook/testdata")

// TestWebhookIsTestedWithWhatTheChartRenders holds the settings of the webhook's
// own tests against the chart.
func TestWebhookIsTestedWithWhatTheChartRenders(t *testing.T) {
	t.Parallel()
	r := rendering{chart: "charts/sealcar", set: []string{image, "injector.mode=webhook", "injector.sidecar.config=egress: {default: deny}"}}
	manifest, err := run(t, nil, "helm", append(r.args("template", oldest), "-s", "templates/injector/webhook.yaml")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, manifest)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, []byte(injection(t, manifest)), "", "  "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	file := filepath.Join(top, "webhook", "testdata", "injection.json")
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("webhook/testdata/injection.json is out of date: go test ./test/charts -run Webhook -update")
	}
}

// injection is that of the ConfigMap among manifests.
func injection(t *testing.T, manifests string) string {
	t.Helper()
	for documents := yaml.NewDecoder(strings.NewReader(manifests)); ; {
		var object struct {
			Kind string
			Data map[string]string
		}
		if err := documents.Decode(&object); err != nil {
			t.Fatalf("no ConfigMap: %v", err)
		}
		if object.Kind == "ConfigMap" {
			return object.Data["injection.json"]
		}
	}
}
