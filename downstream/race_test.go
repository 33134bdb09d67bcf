//go:build race

package downstream_test

// raceEnabled: the race detector makes allocations of its own, and sync.Pool
// drops things at random under it.
const raceEnabled = true
