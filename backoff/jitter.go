package backoff

import "time"

// Jitter draws numbers in [0, 1), by which the times of many who began together
// differ, so that they do not return together; nil draws 0. It may be called
// concurrently.
type Jitter func() float64

// Of draws a part of d.
func (j Jitter) Of(d time.Duration) time.Duration {
	if j == nil {
		return 0
	}
	return time.Duration(float64(d) * j())
}
