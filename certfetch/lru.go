package certfetch

// lru is a map of bounded size that forgets what was used least recently.
type lru[K comparable, V any] struct {
	size  int
	uses  uint64 // counts get and put; the clock by which items are old
	items map[K]*lruItem[V]
}

type lruItem[V any] struct {
	value V
	used  uint64
}

func newLRU[K comparable, V any](size int) lru[K, V] {
	return lru[K, V]{size: size, items: make(map[K]*lruItem[V])}
}

func (l *lru[K, V]) get(k K) (V, bool) {
	i, ok := l.items[k]
	if !ok {
		var none V
		return none, false
	}
	l.uses++
	i.used = l.uses
	return i.value, true
}

func (l *lru[K, V]) put(k K, v V) {
	if _, ok := l.items[k]; !ok && len(l.items) >= l.size {
		l.forget()
	}
	l.uses++
	l.items[k] = &lruItem[V]{v, l.uses}
}

// forget looks at every item. What is put here was fetched over the network
// first, beside which that is nothing.
func (l *lru[K, V]) forget() {
	var oldest K
	used := l.uses + 1
	for k, i := range l.items {
		if i.used < used {
			oldest, used = k, i.used
		}
	}
	delete(l.items, oldest)
}

// all visits every item without using it.
func (l *lru[K, V]) all(yield func(K, V) bool) {
	for k, i := range l.items {
		if !yield(k, i.value) {
			return
		}
	}
}
