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
// not, in the background until Close. credential is asked at each round for what
// goes with a query's model, since it may rotate; nil = the query's own.
func (c *Cache) KeepWarm(queries []ark.Query, credential func(ctx context.Context, model string) (string, error)) {
	if c.begin() != nil {
		return
	}
	c.setCold(errColdYet)
	go func() {
		defer c.running.Done()
		for {
			fault := c.warmUp(queries, credential)
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

func (c *Cache) warmUp(queries []ark.Query, credential func(context.Context, string) (string, error)) error {
	faults := make([]error, len(queries))
	var group errgroup.Group
	group.SetLimit(warmAtOnce)
	for i, q := range queries {
		group.Go(func() error {
			if err := c.warm(q, credential); err != nil && !errors.Is(err, context.Canceled) {
				faults[i] = fmt.Errorf("warming up model %s: %w", name(q.Model), err)
			}
			return nil
		})
	}
	_ = group.Wait() // the faults are gathered one by one
	return errors.Join(faults...)
}

func (c *Cache) warm(q ark.Query, credential func(context.Context, string) (string, error)) error {
	if credential != nil {
		var err error
		if q.Credential, err = credential(c.life, q.Model); err != nil {
			return fmt.Errorf("its API key: %w", err)
		}
	}
	_, err := c.Certificate(c.life, q)
	return err
}
