package machine_test

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"sealcar/machine"
)

// manual has collections when a test says so.
type manual struct {
	live   uint64
	set    []int
	adjust func() bool
}

func (m *manual) options(memory int64) machine.PaceOptions {
	return machine.PaceOptions{
		Getenv:     unset,
		Memory:     memory,
		Live:       func() uint64 { return m.live },
		SetPercent: func(percent int) int { m.set = append(m.set, percent); return 0 },
		Collected:  func(adjust func() bool) { m.adjust = adjust },
	}
}

func TestSmallHeapsAreCollectedSeldomAndLargeOnesTightly(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, test := range map[string]struct {
		live   uint64
		memory int64
		want   []int // nil: left at 100
	}{
		"nothing live":               {live: 0, want: []int{400}},
		"idle":                       {live: 3 * mib, want: []int{400}},
		"some streams":               {live: 12 * mib, want: []int{200}},
		"the even heap":              {live: 48 * mib},
		"close to it":                {live: 45 * mib},
		"many streams":               {live: 192 * mib, want: []int{50}},
		"as large as can be":         {live: 1 << 40, want: []int{40}},
		"T84, idle in 64 MiB":        {live: 4 * mib, memory: 64 * mib, want: []int{200}},
		"T84, at work in 64 MiB":     {live: 36 * mib, memory: 64 * mib, want: []int{66}},
		"a limit that is far away":   {live: 12 * mib, memory: 1 << 40, want: []int{200}},
		"a limit that cannot be met": {live: 64 * mib, memory: 1, want: []int{40}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &manual{live: test.live}
			defer machine.Pace(m.options(test.memory))()
			if !m.adjust() || !slices.Equal(m.set, test.want) {
				t.Errorf("set %v, want %v", m.set, test.want)
			}
		})
	}
}

func TestThePaceIsSetOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	m := new(manual)
	stop := machine.Pace(m.options(0))
	for _, live := range []uint64{12 << 20, 13 << 20, 11 << 20, 48 << 20} {
		m.live = live
		m.adjust()
	}
	if want := []int{200, 100}; !slices.Equal(m.set, want) {
		t.Errorf("set %v, want %v", m.set, want)
	}
	stop()
	m.live = 1
	if m.adjust() || len(m.set) != 2 {
		t.Errorf("set %v after its end, or wants to be called again", m.set)
	}
}

func TestThePaceFollowsTheRuntimesCollections(t *testing.T) {
	t.Parallel()
	var live atomic.Uint64
	live.Store(12 << 20)
	set := make(chan int, 2)
	defer machine.Pace(machine.PaceOptions{
		Getenv:     unset,
		Live:       live.Load,
		SetPercent: func(percent int) int { set <- percent; return 0 },
	})()
	for _, step := range []struct {
		live uint64
		want int
	}{{12 << 20, 200}, {192 << 20, 50}} { // the second only if it goes on
		live.Store(step.live)
		runtime.GC()
		if got := <-set; got != step.want {
			t.Errorf("set %d, want %d", got, step.want)
		}
	}
}

func TestTheOperatorsPaceGoesFirst(t *testing.T) {
	t.Parallel()
	m := new(manual)
	o := m.options(0)
	o.Getenv = func(key string) string { return map[string]string{"GOGC": "100"}[key] }
	machine.Pace(o)()
	if m.adjust != nil {
		t.Error("collections are followed although GOGC is set")
	}
}

func unset(string) string { return "" }

func TestTheRuntimesOwnCountIsUsed(t *testing.T) {
	t.Parallel()
	kept := make([]byte, 300<<20) // nobody writes to it: it takes no memory
	set := make(chan int, 10)
	defer machine.Pace(machine.PaceOptions{Getenv: unset, SetPercent: func(percent int) int { set <- percent; return 0 }})()
	runtime.GC()
	if got := <-set; got > 40 {
		t.Errorf("set %d with 300 MiB live", got)
	}
	runtime.KeepAlive(kept)
}
