package e2e_test

import (
	"strconv"
	"strings"
	"testing"
)

// The collector's pace shows in the runtime's own metrics.
func TestTheCollectorIsPacedUnlessTheOperatorDoes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environment map[string]string
		is          func(percent float64) bool
	}{
		"by what is live":        {nil, func(percent float64) bool { return percent > 100 }},
		"by the operator's GOGC": {map[string]string{"GOGC": "77"}, func(percent float64) bool { return percent == 77 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startIn(t, test.environment, "", "")
			eventually(t, func() bool { // each look makes garbage, so that there are collections
				_, metrics := e.ask(t, "/metrics")
				return metric(t, metrics, "go_gc_duration_seconds_count") > 4 && test.is(metric(t, metrics, "go_gc_gogc_percent"))
			}, func() string {
				_, metrics := e.ask(t, "/metrics")
				return "the pace is not as it should be:\n" + metrics
			})
		})
	}
}

// metric is the value of one without labels.
func metric(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
