package socket

// Watched is how many connections the watcher has an entry of.
func (w *Watcher) Watched() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.told)
}
