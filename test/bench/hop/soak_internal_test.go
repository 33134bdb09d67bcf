package main

import (
	"errors"
	"math"
	"slices"
	"testing"

	"sealcar/test/bench/soak"
)

func samples(n int, at func(i int) float64) []float64 {
	var all []float64
	for i := range n {
		all = append(all, at(i))
	}
	return all
}

func TestOnlyAFlatSecondHalfPasses(t *testing.T) {
	t.Parallel()
	wave := func(i int) float64 { return 20 * math.Sin(float64(i)) }
	tests := map[string]struct {
		values []float64
		flat   bool
	}{
		"still":                         {samples(100, func(int) float64 { return 100 }), true},
		"a wave":                        {samples(100, func(i int) float64 { return 100 + wave(i) }), true},
		"a rise in the first half":      {samples(100, func(i int) float64 { return min(float64(10*i), 500) }), true},
		"a fall":                        {samples(100, func(i int) float64 { return 500 - float64(i) }), true},
		"single peaks":                  {samples(100, func(i int) float64 { return 100 + 1000*float64(i/99) + 700*float64(i/98%2) }), true},
		"a tenth":                       {samples(100, func(i int) float64 { return 1000 + float64(2*i) }), true},
		"less than the slack":           {samples(100, func(i int) float64 { return float64(i) / 10 }), true},
		"a rise":                        {samples(100, func(i int) float64 { return 100 + float64(i) }), false},
		"a rise under a wave":           {samples(100, func(i int) float64 { return 100 + float64(i) + wave(i) }), false},
		"a step within the second half": {samples(100, func(i int) float64 { return 100 + float64(100*(i/75)) }), false},
		"two samples":                   {[]float64{1, 100}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tt.values)
			if v := flat("x", tt.values, 8, number); v.ratio <= 1 != tt.flat {
				t.Errorf("%+v, want flat: %t", v, tt.flat)
			}
			if !slices.Equal(before, tt.values) {
				t.Error("the samples are in another order")
			}
		})
	}
}

func TestARunThatIsWrongIsNotMet(t *testing.T) {
	t.Parallel()
	right := func() *soaked {
		s := &soaked{
			rotations: 2, reloads: 3,
			metrics: map[string]float64{`sealcar_config_reloads_total{result="ok"}`: 3, "sealcar_rotations_total": 1},
		}
		for _, kind := range soak.Kinds() {
			s.tally.Add(kind, nil)
		}
		return s
	}
	tests := map[string]struct {
		change func(*soaked)
		met    bool
	}{
		"as it should be":       {func(*soaked) {}, true},
		"a wrong reply":         {func(s *soaked) { s.tally.Add("chat", errors.New("wrong")) }, false},
		"a kind never asked":    {func(s *soaked) { s.tally = soak.Tally{}; s.tally.Add("chat", nil) }, false},
		"content on the wire":   {func(s *soaked) { s.leaks = []string{"plain"} }, false},
		"a reload missed":       {func(s *soaked) { s.reloads = 4 }, false},
		"a reload refused":      {func(s *soaked) { s.metrics[`sealcar_config_reloads_total{result="error"}`] = 1 }, false},
		"no rotation noticed":   {func(s *soaked) { delete(s.metrics, "sealcar_rotations_total") }, false},
		"descriptors left open": {func(s *soaked) { s.quiet.files[0] = 40 }, false},
		"goroutines left":       {func(s *soaked) { s.quiet.goroutines = 40 }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := right()
			tt.change(s)
			met := !slices.ContainsFunc(s.verdicts(), func(v verdict) bool { return v.ratio > 1 })
			if met != tt.met {
				t.Errorf("met: %t, want %t: %+v", met, tt.met, s.verdicts())
			}
		})
	}
}
