package machine_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"sealcar/machine"
)

func TestT84_TheRuntimeKeepsToTheContainersMemory(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	tests := map[string]struct {
		environment string // GOMEMLIMIT
		runtime     int64  // what the runtime has made of it
		container   uint64
		err         error
		share       float64
		want        machine.Found
		set         int64
		fails       bool
	}{
		"a container":             {container: 100 * mib, want: machine.Found{Memory: 90 * mib, From: "cgroup"}, set: 90 * mib},
		"a shared one":            {container: 100 * mib, share: 0.25, want: machine.Found{Memory: 25 * mib, From: "cgroup"}, set: 25 * mib},
		"nearly nothing":          {container: 1, want: machine.Found{Memory: 1, From: "cgroup"}, set: 1},
		"the operator's own":      {environment: "50MiB", runtime: 50 * mib, container: 100 * mib, want: machine.Found{Memory: 50 * mib, From: "GOMEMLIMIT"}},
		"switched off":            {environment: "off", runtime: math.MaxInt64, container: 100 * mib},
		"no limit":                {err: memlimit.ErrNoLimit},
		"no limit, as a number":   {container: math.MaxUint64},
		"no cgroup":               {err: fmt.Errorf("looking: %w", memlimit.ErrNoCgroup)},
		"a system without any":    {err: memlimit.ErrCgroupsNotSupported},
		"a limit nobody can read": {err: os.ErrPermission, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var set int64
			got, err := machine.Find(machine.Options{
				Getenv:    func(string) string { return test.environment },
				Share:     test.share,
				Container: func() (uint64, error) { return test.container, test.err },
				Runtime: func(limit int64) int64 {
					if limit >= 0 {
						set = limit
					}
					return test.runtime
				},
				Descriptor: func() int64 { return 7 },
			})
			test.want.Files = 7
			if got != test.want || set != test.set {
				t.Errorf("found %+v and set %d, want %+v and %d", got, set, test.want, test.set)
			}
			if test.fails != errors.Is(err, os.ErrPermission) || !test.fails && err != nil {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestThisProcessHasDescriptors(t *testing.T) {
	t.Parallel()
	got, err := machine.Find(machine.Options{Getenv: func(string) string { return "off" }})
	if err != nil || got.Files <= 0 {
		t.Errorf("found %+v (%v)", got, err)
	}
}
