package lru_test

import (
	"maps"
	"slices"
	"testing"

	"sealcar/lru"
)

func TestMapForgetsWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	m := lru.New[string, int](2)
	m.Put("a", 1)
	m.Put("b", 2)
	m.Put("b", 3) // in its place, nothing has to go
	if v, ok := m.Get("a"); !ok || v != 1 {
		t.Errorf("a: %d, %t", v, ok)
	}
	m.Put("c", 4)
	if _, ok := m.Get("b"); ok {
		t.Error("b is there, though a was used after it")
	}
	if n := m.Evictions(); n != 1 {
		t.Errorf("%d evictions, want 1", n)
	}
	if got := slices.Sorted(maps.Keys(maps.Collect(m.All))); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("holds %q", got)
	}
	for range m.All {
		break // an early end is no fault
	}
	m.Delete("a")
	m.Delete("a")
	if _, ok := m.Get("a"); ok {
		t.Error("a is there after Delete")
	}
}

func TestMapOfNoSizeHoldsOne(t *testing.T) {
	t.Parallel()
	m := lru.New[int, int](0)
	m.Put(1, 1)
	m.Put(2, 2)
	if _, ok := m.Get(2); !ok || len(maps.Collect(m.All)) != 1 {
		t.Error("want the last item alone")
	}
}
