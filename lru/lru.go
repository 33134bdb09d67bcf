// Package lru is a map of bounded size: what is kept by a key that others
// choose (a model's name, an address in a certificate) is kept in one. Nothing
// is refused; the least recently used item goes. Start at New.
package lru

// Map forgets what was used least recently. Its zero value cannot be used, and
// it has no lock of its own.
type Map[K comparable, V any] struct {
	size      int
	uses      uint64 // counts Get and Put; the clock by which items are old
	evictions uint64
	items     map[K]*item[V]
}

type item[V any] struct {
	value V
	used  uint64
}

// New makes a map of at most size items; less than 1 counts as 1.
func New[K comparable, V any](size int) *Map[K, V] {
	return &Map[K, V]{size: max(size, 1), items: make(map[K]*item[V])}
}

// Get finds k's value and counts that as a use.
func (m *Map[K, V]) Get(k K) (V, bool) {
	i, ok := m.items[k]
	if !ok {
		var none V
		return none, false
	}
	m.uses++
	i.used = m.uses
	return i.value, true
}

// Put sets k's value; where there is no room another item goes.
func (m *Map[K, V]) Put(k K, v V) {
	if _, ok := m.items[k]; !ok && len(m.items) >= m.size {
		m.evict()
	}
	m.uses++
	m.items[k] = &item[V]{v, m.uses}
}

// Delete removes k's value, if there is one.
func (m *Map[K, V]) Delete(k K) { delete(m.items, k) }

// Evictions counts the items that had to go for others.
func (m *Map[K, V]) Evictions() uint64 { return m.evictions }

// All visits every item without using it.
func (m *Map[K, V]) All(yield func(K, V) bool) {
	for k, i := range m.items {
		if !yield(k, i.value) {
			return
		}
	}
}

// evict looks at every item. What is put here was fetched over the network
// first, beside which that is nothing.
func (m *Map[K, V]) evict() {
	var oldest K
	used := m.uses + 1
	for k, i := range m.items {
		if i.used < used {
			oldest, used = k, i.used
		}
	}
	delete(m.items, oldest)
	m.evictions++
}
