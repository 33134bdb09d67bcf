package config_test

import (
	"testing"

	"sealcar/config"
)

func TestT84_LimitsFitTheMachine(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	tests := map[string]struct {
		machine config.Machine
		given   config.Limits
		want    config.Limits
	}{
		"nothing is known":         {config.Machine{}, config.Limits{}, config.Limits{Connections: 16384, Requests: 4096, BufferedBytes: 1024 * mib}},
		"a small container":        {config.Machine{Memory: 57 * mib}, config.Limits{}, config.Limits{Connections: 422, Requests: 132, BufferedBytes: 33 * mib / 2}},
		"a tiny one":               {config.Machine{Memory: 16 * mib}, config.Limits{}, config.Limits{Connections: 51, Requests: 16, BufferedBytes: 2 * mib}},
		"less than anything needs": {config.Machine{Memory: 1, Files: 1}, config.Limits{}, config.Limits{Connections: 1, Requests: 1, BufferedBytes: 1}},
		"a large one":              {config.Machine{Memory: 64 << 30}, config.Limits{}, config.Limits{Connections: 16384, Requests: 4096, BufferedBytes: (64<<30 - 24*mib) / 2}},
		"few descriptors":          {config.Machine{Files: 1024}, config.Limits{}, config.Limits{Connections: 384, Requests: 4096, BufferedBytes: 1024 * mib}},
		"what is set stays": {
			config.Machine{Memory: 1, Files: 1},
			config.Limits{Connections: 100_000, Requests: 50_000, BufferedBytes: 1 << 40, RequestBytes: 7},
			config.Limits{Connections: 100_000, Requests: 50_000, BufferedBytes: 1 << 40, RequestBytes: 7},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &config.Config{Limits: test.given}
			if got := c.Fit(test.machine).Limits; got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if c.Limits != test.given {
				t.Error("the original changed")
			}
			if again := c.Fit(test.machine).Fit(config.Machine{}); again.Limits != test.want {
				t.Error("what fits was fitted again")
			}
		})
	}
}
