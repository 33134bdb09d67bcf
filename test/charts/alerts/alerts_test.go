package alerts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// every is how often rules are evaluated.
const every = time.Minute

// situation is a group of alerts.yaml.
type situation struct {
	Name     string
	Interval model.Duration
	Series   []struct{ Series, Values string } `yaml:"input_series"`
	Moments  []moment                          `yaml:"alert_rule_test"`
}

// moment is what of one alert fires then.
type moment struct {
	Time   model.Duration `yaml:"eval_time"`
	Alert  string         `yaml:"alertname"`
	Alerts []struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"` // none: any
	} `yaml:"exp_alerts"`
}

func situations(t *testing.T) []situation {
	t.Helper()
	text, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var file struct{ Tests []situation }
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Tests
}

// rendered is a file with the rules that the chart installs.
func rendered(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	helm := filepath.Join(top, ".cache", "charts", "helm")
	if _, err := os.Stat(helm); errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("helm is missing; run make chart-tools")
		}
		t.Skip("helm is missing; make chart-tools builds it")
	}
	cmd := exec.CommandContext(t.Context(), helm, "template", "sealcar", filepath.Join(top, "charts", "sealcar"),
		"--set", "image.repository=registry.example/sealcar", "--set", "metrics.rules=true", "--show-only", "templates/metrics/rules.yaml")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Spec yaml.Node }
	if err := yaml.Unmarshal(out, &object); err != nil {
		t.Fatal(err)
	}
	groups, err := yaml.Marshal(&object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, groups, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAlertsFireWhenTheyMust(t *testing.T) {
	t.Parallel()
	file := rendered(t)
	fired := map[string]bool{}
	for _, s := range situations(t) {
		t.Run(s.Name, func(t *testing.T) {
			for alert := range s.check(t, file) {
				fired[alert] = true
			}
		})
	}
	for _, rule := range load(t, file, new(rules.ManagerOptions)) {
		if !fired[rule.Name()] {
			t.Errorf("no situation of alerts.yaml has %s fire", rule.Name())
		}
	}
}

// load gives the alerts of a file.
func load(t *testing.T, file string, options *rules.ManagerOptions) []*rules.AlertingRule {
	t.Helper()
	options.Context, options.Logger, options.Parser = t.Context(), slog.New(slog.NewTextHandler(io.Discard, nil)), parser.NewParser(parser.Options{})
	groups, errs := rules.NewManager(options).LoadGroups(every, labels.EmptyLabels(), "", nil, false, file)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var alerts []*rules.AlertingRule
	for _, group := range groups {
		for _, rule := range group.Rules() {
			alerts = append(alerts, rule.(*rules.AlertingRule))
		}
	}
	return alerts
}

// check plays a situation and gives the alerts that fired in it.
func (s situation) check(t *testing.T, file string) map[string]bool {
	t.Helper()
	series, err := promqltest.NewLazyLoader(s.load(), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = series.Close() }() // it was in memory
	query := rules.EngineQueryFunc(series.QueryEngine(), series.Storage())
	alerts := load(t, file, new(rules.ManagerOptions))
	fired := map[string]bool{}
	for at := time.Duration(0); at <= s.end(); at += every {
		now := time.Unix(0, 0).UTC().Add(at)
		series.WithSamplesTill(now, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
		var firing []string
		for _, alert := range alerts {
			if _, err := alert.Eval(context.WithoutCancel(t.Context()), 0, now, query, nil, 0); err != nil {
				t.Fatalf("%s after %s: %v", alert.Name(), at, err)
			}
			for _, active := range alert.ActiveAlerts() {
				if active.State == rules.StateFiring {
					firing = append(firing, active.Labels.String())
					fired[alert.Name()] = true
					s.described(t, at, active)
				}
			}
		}
		s.compare(t, at, firing)
	}
	return fired
}

// load is the situation as the engine's test language has it.
func (s situation) load() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load %s\n", s.Interval)
	for _, one := range s.Series {
		fmt.Fprintf(&b, "  %s %s\n", one.Series, one.Values)
	}
	return b.String()
}

func (s situation) end() time.Duration {
	var end time.Duration
	for _, m := range s.Moments {
		end = max(end, time.Duration(m.Time))
	}
	return end
}

// compare holds all that fires against what is listed, if this is one of the moments.
func (s situation) compare(t *testing.T, at time.Duration, firing []string) {
	t.Helper()
	var want []string
	looked := false
	for _, m := range s.Moments {
		if time.Duration(m.Time) != at {
			continue
		}
		looked = true
		for _, a := range m.Alerts {
			named := labels.NewBuilder(labels.FromMap(a.Labels)).Set(labels.AlertName, m.Alert).Labels()
			want = append(want, named.String())
		}
	}
	slices.Sort(want)
	slices.Sort(firing)
	if looked && !slices.Equal(firing, want) {
		t.Errorf("after %s these fire:\n%s\nwant:\n%s", at, strings.Join(firing, "\n"), strings.Join(want, "\n"))
	}
}

// described holds the texts of an alert that fires against what is listed.
func (s situation) described(t *testing.T, at time.Duration, active *rules.Alert) {
	t.Helper()
	active.Annotations.Range(func(l labels.Label) {
		if l.Value == "" || strings.Contains(l.Value, "no value") || strings.Contains(l.Value, "error expanding") {
			t.Errorf("%s: %q", l.Name, l.Value)
		}
	})
	for _, m := range s.Moments {
		for _, a := range m.Alerts {
			for name, want := range a.Annotations {
				if got := active.Annotations.Get(name); time.Duration(m.Time) == at && m.Alert == active.Labels.Get(labels.AlertName) && got != want {
					t.Errorf("after %s: %s %q, want %q", at, name, got, want)
				}
			}
		}
	}
}
