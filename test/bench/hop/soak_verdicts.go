package main

import (
	"fmt"
	"slices"

	"sealcar/test/bench/soak"
)

// verdicts are what the run is held to.
func (s *soaked) verdicts() []verdict {
	total := s.tally.Total()
	found := []verdict{
		none("wrong replies", total.Wrong, fmt.Sprintf(" of %d", total.Wrong+total.Right)),
		none("forms in which content was seen on the wire or in a log", len(s.leaks), ""),
		none("kinds of request that were never right", s.never(), ""),
		atLeast("reloads of the configuration", s.metrics[`sealcar_config_reloads_total{result="ok"}`], s.reloads),
		none("reloads that failed", int(s.metrics[`sealcar_config_reloads_total{result="error"}`]), ""),
		atLeast("requests that met a new key and were sealed anew", s.metrics["sealcar_rotations_total"], min(s.rotations, 1)),
	}
	found[len(found)-1].measured += fmt.Sprintf(", by %d rotations", s.rotations)
	for _, c := range curves() {
		found = append(found, flat(c.name, s.values(c), c.slack, c.unit))
	}
	return append(found, verdict{
		what: "descriptors and goroutines of the sidecar when all is quiet again", target: fmt.Sprintf("≤ %d more than before", mayLeave),
		measured: fmt.Sprintf("%+.0f and %+.0f", s.quiet.files[0]-s.idle.files[0], s.quiet.goroutines-s.idle.goroutines), ratio: ratioOf(s.left(), 1),
	})
}

// left is what the run has left behind, of what it may leave.
func (s *soaked) left() float64 {
	return max(s.quiet.files[0]-s.idle.files[0], s.quiet.goroutines-s.idle.goroutines) / mayLeave
}

// never is how many kinds were not once right.
func (s *soaked) never() int {
	counts := s.tally.Counts()
	return len(slices.DeleteFunc(soak.Kinds(), func(kind string) bool {
		return slices.ContainsFunc(counts, func(c soak.Count) bool { return c.Kind == kind && c.Right > 0 })
	}))
}

// none is a verdict on a count that has to be 0; of says out of how many.
func none(what string, count int, of string) verdict {
	v := verdict{what: what, target: "0", measured: fmt.Sprint(count) + of, ratio: ratioOf(0, 1)}
	if count > 0 {
		v.ratio = float64(count) + 1
	}
	return v
}

// atLeast is a verdict on a count.
func atLeast(what string, count float64, least int) verdict {
	v := verdict{what: what, target: fmt.Sprintf("≥ %d", least), measured: number(count), ratio: ratioOf(0, 1)}
	if count < float64(least) {
		v.ratio = 2
	}
	return v
}

// rise is by how much values grow from the begin of their second half to its end,
// and the middle value of that half. The slope is the median of those between any
// two of them (Theil and Sen), which single peaks do not move.
func rise(values []float64) (by, middleValue float64) {
	half := values[len(values)/2:]
	if len(half) < 2 {
		return 0, 0
	}
	var slopes []float64
	for i, a := range half {
		for j, b := range half[i+1:] {
			slopes = append(slopes, (b-a)/float64(j+1))
		}
	}
	slices.Sort(slopes)
	return middle(slopes) * float64(len(half)-1), summarise(half).median
}

// flat is a verdict: in the second half the values rise by no more than a tenth, or
// by slack where a tenth is less.
func flat(what string, values []float64, slack float64, unit func(float64) string) verdict {
	by, at := rise(values)
	limit := max(at/10, slack)
	return verdict{
		what: what + ", rise over the second half", target: "≤ " + unit(limit),
		measured: fmt.Sprintf("%s, at %s", unit(by), unit(at)), ratio: ratioOf(by, limit),
	}
}

// ratioOf is a ratio for a verdict, in which 0 would mean that there is no target.
func ratioOf(value, limit float64) float64 { return max(over(value, limit), 0.01) }
