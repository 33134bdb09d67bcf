package backoff_test

import (
	"errors"
	"testing"
	"time"

	"sealcar/backoff"
)

var errDown = errors.New("down")

// clock is a time that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newTable(edit func(*backoff.Config)) (*backoff.Table[string], *clock) {
	c := &clock{now: time.Unix(1000, 0)}
	config := backoff.Config{First: time.Second, Max: 5 * time.Second, Now: c.Now}
	edit(&config)
	return backoff.New[string](config), c
}

func TestWaitDoublesUpToItsMaximumAndResets(t *testing.T) {
	t.Parallel()
	table, clock := newTable(func(*backoff.Config) {})
	for _, want := range []time.Duration{1, 2, 4, 5, 5} {
		f := table.Fail("k", errDown)
		if got := f.Until.Sub(clock.now); got != want*time.Second {
			t.Fatalf("wait %v, want %v s", got, want)
		}
		clock.now = f.Until.Add(-time.Nanosecond)
		if f, ok := table.Waiting("k"); !ok || !errors.Is(f.Err, errDown) {
			t.Fatal("too early, yet nothing waits")
		}
		clock.now = f.Until
		if _, ok := table.Waiting("k"); ok {
			t.Fatal("still waiting at the end of the wait")
		}
	}
	table.Reset("k")
	if f := table.Fail("k", errDown); f.Until.Sub(clock.now) != time.Second {
		t.Error("Reset did not begin anew")
	}
	if _, ok := table.Waiting("another"); ok {
		t.Error("another key waits too")
	}
}

func TestHoldDoesNotCountForTheDoubling(t *testing.T) {
	t.Parallel()
	table, clock := newTable(func(*backoff.Config) {})
	table.Fail("k", errDown)
	if f := table.Hold("k", errDown, time.Minute); f.Until.Sub(clock.now) != time.Minute {
		t.Error("another wait than was given")
	}
	if f := table.Fail("k", errDown); f.Until.Sub(clock.now) != time.Second {
		t.Error("the wait that was given was doubled")
	}
}

func TestJitterOnlyShortens(t *testing.T) {
	t.Parallel()
	table, clock := newTable(func(c *backoff.Config) { c.Jitter = func() float64 { return 0.5 } })
	for _, want := range []time.Duration{875, 1750, 3500, 4375} {
		if got := table.Fail("k", errDown).Until.Sub(clock.now); got != want*time.Millisecond {
			t.Errorf("wait %v, want %v ms", got, want)
		}
	}
}

func TestClockSetBackEndsTheWait(t *testing.T) {
	t.Parallel()
	table, clock := newTable(func(*backoff.Config) {})
	table.Fail("k", errDown)
	clock.now = clock.now.Add(-time.Hour)
	if _, ok := table.Waiting("k"); ok {
		t.Error("the wait lasts as long as the clock's error")
	}
}

func TestTableIsBounded(t *testing.T) {
	t.Parallel()
	table, _ := newTable(func(c *backoff.Config) { c.Size = 1 })
	table.Fail("a", errDown)
	table.Fail("b", errDown)
	if _, ok := table.Waiting("a"); ok {
		t.Error("a is remembered beyond the table's size")
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	table := backoff.New[string](backoff.Config{})
	f := table.Fail("k", errDown)
	if f.Until.Sub(f.Since) != 500*time.Millisecond {
		t.Errorf("first wait %v", f.Until.Sub(f.Since))
	}
	for range 10 {
		f = table.Fail("k", errDown)
	}
	if f.Until.Sub(f.Since) != 30*time.Second {
		t.Errorf("longest wait %v", f.Until.Sub(f.Since))
	}
}

func TestFailureOfLongAgoBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		later, want time.Duration
	}{{5 * time.Second, 4 * time.Second}, {5*time.Second + 1, time.Second}} {
		table, clock := newTable(func(*backoff.Config) {})
		table.Fail("k", errDown)
		clock.now = table.Fail("k", errDown).Until.Add(tt.later)
		if f := table.Fail("k", errDown); f.Until.Sub(clock.now) != tt.want {
			t.Errorf("%v after the wait: next wait %v, want %v", tt.later, f.Until.Sub(clock.now), tt.want)
		}
	}
}
