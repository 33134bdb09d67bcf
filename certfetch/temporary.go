package certfetch

import (
	"context"
	"fmt"
	"time"

	"sealcar/crypto/ark"
)

// What a fetch that brought nothing new costs the next one.
const (
	firstCoolDown = time.Second
	lastCoolDown  = 30 * time.Second
)

// coolDown is how long an endpoint is not asked again whether its certificate
// has changed.
type coolDown struct {
	length time.Duration
	until  time.Time
}

// Renew implements ark.Certificates.
func (c *Cache) Renew(ctx context.Context, q ark.Query, stale *ark.Certificate) (*ark.Certificate, bool, error) {
	if err := c.check(q); err != nil {
		return nil, false, err
	}
	k := key{q.Model, q.AICC}
	if e := c.cached(k); e != nil && !e.certificate.Leaf.Equal(stale.Leaf) {
		return e.certificate, true, nil
	}
	done := c.flight.DoChan("rotate "+c.flightKey(q), func() (any, error) { return c.rotate(q, stale) }) //nolint:contextcheck // the fetch outlives the request that came first
	select {
	case <-ctx.Done():
		return nil, false, fmt.Errorf("waiting for the certificate of model %s: %w", name(q.Model), ctx.Err())
	case r := <-done:
		if r.Err != nil {
			return nil, false, r.Err
		}
		found := r.Val.(*ark.Certificate)
		return found, !found.Leaf.Equal(stale.Leaf), nil
	}
}

func (c *Cache) rotate(q ark.Query, stale *ark.Certificate) (*ark.Certificate, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.fetching.Done()
	k, flight := key{q.Model, q.AICC}, c.flightKey(q)
	if e := c.cached(k); e != nil && !e.certificate.Leaf.Equal(stale.Leaf) {
		return e.certificate, nil
	}
	c.mu.Lock()
	cool := c.cooling[flight]
	c.mu.Unlock()
	if c.config.Now().Before(cool.until) {
		return stale, nil
	}
	e, err := c.fetch(q)
	c.mu.Lock()
	if err == nil && !e.certificate.Leaf.Equal(stale.Leaf) {
		delete(c.cooling, flight)
	} else {
		cool.length = min(max(2*cool.length, firstCoolDown), lastCoolDown)
		cool.until = c.config.Now().Add(cool.length)
		if c.cooling == nil || len(c.cooling) >= c.config.Size {
			c.cooling = map[string]coolDown{}
		}
		c.cooling[flight] = cool
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c.remember(k, e)
	c.save(k, e)
	return e.certificate, nil
}
