package responses

// Remembered is how many items are kept.
func (r *References) Remembered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byUse.Len()
}
