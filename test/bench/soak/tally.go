package soak

import (
	"maps"
	"slices"
	"sync"
)

// maxFailures is how many failures are kept in words.
const maxFailures = 20

// Tally counts requests by kind. The zero value is ready.
type Tally struct {
	mu       sync.Mutex
	counts   map[string]Count
	failures []string
}

// Count is that of one kind.
type Count struct {
	Kind         string
	Right, Wrong int // requests
}

// Add counts a request of a kind; err is what was wrong with it.
func (t *Tally) Add(kind string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]Count{}
	}
	c := t.counts[kind]
	c.Kind = kind
	if err == nil {
		c.Right++
	} else {
		c.Wrong++
		if len(t.failures) < maxFailures {
			t.failures = append(t.failures, err.Error())
		}
	}
	t.counts[kind] = c
}

// Counts are those of all kinds that were asked, by name.
func (t *Tally) Counts() []Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Count
	for _, kind := range slices.Sorted(maps.Keys(t.counts)) {
		all = append(all, t.counts[kind])
	}
	return all
}

// Total is the sum over all kinds.
func (t *Tally) Total() Count {
	sum := Count{Kind: "all"}
	for _, c := range t.Counts() {
		sum.Right += c.Right
		sum.Wrong += c.Wrong
	}
	return sum
}

// Failures are the first failures in words. They may quote replies, whose content
// is random.
func (t *Tally) Failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.failures)
}
