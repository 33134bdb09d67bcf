package main

import (
	"fmt"
	"slices"
	"time"
)

// summary is what is reported of a value that was measured once a round.
type summary struct{ median, least, most float64 }

func summarise(values []float64) summary {
	if len(values) == 0 {
		return summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return summary{median: middle(sorted), least: sorted[0], most: sorted[len(sorted)-1]}
}

// middle is the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// text has the median and the range, in the unit in which the values are.
func (s summary) text() string {
	return fmt.Sprintf("%s (%s … %s)", number(s.median), number(s.least), number(s.most))
}

// number has three significant digits, or all before the point.
func number(v float64) string {
	switch a := max(v, -v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// quantile is that of unsorted durations, which it sorts.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// pairwise applies fn to values of the same round.
func pairwise(a, b []float64, fn func(a, b float64) float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = fn(a[i], b[i])
	}
	return out
}

func minus(a, b float64) float64 { return a - b }

func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
