package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A series as Prometheus writes it, and its labels.
var (
	seriesText = regexp.MustCompile(`(?m)^(sealcar_\w+)(?:\{(.*)\})?`)
	labelName  = regexp.MustCompile(`(\w+)="`)
)

// labelsOf gives the names of the labels of each metric in a text, but for those that
// Prometheus adds when it scrapes a pod.
func labelsOf(text string) map[string][]string {
	found := map[string][]string{}
	for _, series := range seriesText.FindAllStringSubmatch(text, -1) {
		labels := []string{}
		for _, label := range labelName.FindAllStringSubmatch(series[2], -1) {
			if label[1] != "namespace" && label[1] != "pod" {
				labels = append(labels, label[1])
			}
		}
		slices.Sort(labels)
		found[series[1]] = labels
	}
	return found
}

// The alerts are tried with made-up series (test/charts/alerts); a sidecar after its
// first chat has to have those very ones, or they would be silent for good.
func TestTheSeriesOfTheAlertsAreThere(t *testing.T) {
	t.Parallel()
	e := start(t, "", "")
	if status, body := e.send(t, chat(false, "hello")); status != 200 {
		t.Fatalf("%d: %s", status, body)
	}
	_, metrics := e.ask(t, "/metrics")
	shown := labelsOf(metrics)
	text, err := os.ReadFile(filepath.Join("..", "charts", "alerts", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Series []struct{ Series string } `yaml:"input_series"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var made strings.Builder
	for _, situation := range file.Tests {
		for _, s := range situation.Series {
			made.WriteString(s.Series + "\n")
		}
	}
	used := labelsOf(made.String())
	if len(used) < 5 {
		t.Errorf("only %d metrics in alerts.yaml", len(used))
	}
	for name, labels := range used {
		if got, there := shown[name]; !there || !slices.Equal(got, labels) {
			t.Errorf("%s has the labels %q in alerts.yaml, and %q in /metrics", name, labels, got)
		}
	}
}
