package soak

import (
	"context"
	"math/rand/v2" //nolint:depguard // contents that a seed gives again; nothing of it is secret
	"slices"
	"time"
)

// caller is one application: it does one thing at a time.
type caller struct {
	traffic *Traffic
	random  *rand.Rand
	doors   []door
	door    door // of this request
}

func (t *Traffic) newCaller(i int) *caller {
	c := &caller{traffic: t, random: rand.New(rand.NewPCG(t.Seed, uint64(i)))} // #nosec G404 -- contents, and no secrets
	c.doors = c.openDoors()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.callers = append(t.callers, c)
	return c
}

// close closes the connections that nothing is on its way on.
func (c *caller) close() {
	for _, d := range c.doors {
		d.client.CloseIdleConnections()
	}
}

// pick chooses a kind by the weights.
func (c *caller) pick(kinds []kind) int {
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	at := c.random.IntN(sum)
	return slices.IndexFunc(kinds, func(k kind) bool {
		at -= k.weight
		return at < 0
	})
}

func (c *caller) rest(ctx context.Context) {
	if c.traffic.Pause <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(c.random.Int64N(int64(c.traffic.Pause)))):
	}
}
