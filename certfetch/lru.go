package certfetch

import "container/list"

// lru is a map of bounded size that forgets what was used least recently.
type lru[K comparable, V any] struct {
	size  int
	items map[K]*list.Element
	order *list.List // of lruItem; front = used last
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int) lru[K, V] {
	return lru[K, V]{size: size, items: make(map[K]*list.Element), order: list.New()}
}

func (l *lru[K, V]) get(k K) (V, bool) {
	e, ok := l.items[k]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(e)
	return e.Value.(lruItem[K, V]).value, true
}

func (l *lru[K, V]) put(k K, v V) {
	if e, ok := l.items[k]; ok {
		e.Value = lruItem[K, V]{k, v}
		l.order.MoveToFront(e)
		return
	}
	l.items[k] = l.order.PushFront(lruItem[K, V]{k, v})
	if l.order.Len() > l.size {
		last := l.order.Remove(l.order.Back()).(lruItem[K, V])
		delete(l.items, last.key)
	}
}

// all visits every item without using it.
func (l *lru[K, V]) all(yield func(K, V) bool) {
	for k, e := range l.items {
		if !yield(k, e.Value.(lruItem[K, V]).value) {
			return
		}
	}
}
