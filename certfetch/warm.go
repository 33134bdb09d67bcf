package certfetch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sealcar/crypto/ark"
)

// How often warmed certificates are looked at, and how many at a time. A look
// costs nothing unless something is due; while one is missing it is looked for
// more often, and the back-off decides whether that means asking.
const (
	warmEvery  = 15 * time.Second
	coldEvery  = time.Second
	warmAtOnce = 8
)

var errColdYet = errors.New("not all certificates have been fetched yet")

// KeepWarm fetches the certificates of queries now and keeps them fresh, used or
// not, in the background until Close. queries is asked at each round, since a
// credential in it may rotate.
func (c *Cache) KeepWarm(queries func() ([]ark.Query, error)) {
	if c.begin() != nil {
		return
	}
	c.setCold(errColdYet)
	go func() {
		defer c.running.Done()
		for {
			fault := c.warmUp(queries)
			c.setCold(fault)
			wait := warmEvery
			if fault != nil {
				wait = coldEvery
			}
			timer := time.NewTimer(wait)
			select {
			case <-c.life.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}()
}

// Warm says whether all that KeepWarm was told of is at hand, and if not, why.
// Without KeepWarm nothing is missing.
func (c *Cache) Warm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cold
}

func (c *Cache) setCold(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cold = why
}

func (c *Cache) warmUp(queries func() ([]ark.Query, error)) error {
	list, err := queries()
	if err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	faults := make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(warmAtOnce)
	for i, q := range list {
		group.Go(func() error {
			if _, err := c.Certificate(c.life, q); err != nil && !errors.Is(err, context.Canceled) {
				faults[i] = fmt.Errorf("warming up model %s: %w", name(q.Model), err)
			}
			return nil
		})
	}
	_ = group.Wait() // the faults are gathered one by one
	return errors.Join(faults...)
}
