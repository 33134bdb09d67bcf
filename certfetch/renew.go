package certfetch

import (
	"context"
	"fmt"

	"sealcar/crypto/ark"
)

// Renew implements ark.Certificates: it finds out whether the endpoint has a
// certificate other than stale by now.
//
// A certificate at hand that differs from stale is the answer, without a fetch.
// Else the source is asked, once for all who wait. If that brings nothing new a
// cool-down begins, 1 s at first and doubling up to 30 s, for this certificate,
// credential and symptom: until it ends stale is the answer, at once. So requests
// that are refused for their own faults cannot drive fetches, nor can they hide a
// rotation that shows in another way. A fetch that does bring something new ends
// the cool-down. An error comes with stale and false.
func (c *Cache) Renew(ctx context.Context, q ark.Query, stale *ark.Certificate) (*ark.Certificate, bool, error) {
	if err := c.check(q); err != nil {
		return stale, false, err
	}
	if e := c.usable(keyOf(q)); e != nil && differs(e, stale) {
		return e.certificate, true, nil
	}
	flight := c.flightKey(q)
	if _, ok := c.cooldowns.Waiting(coolDown(flight, q)); ok {
		return stale, false, nil
	}
	if f, ok := c.faults.Waiting(flight); ok {
		return stale, false, c.again(f)
	}
	done := c.flight.DoChan("renew "+flight, func() (any, error) { return c.change(q, stale) }) //nolint:contextcheck // it outlives the request that came first
	select {
	case <-ctx.Done():
		return stale, false, fmt.Errorf("waiting for a new certificate of model %s: %w", name(q.Model), ctx.Err())
	case r := <-done:
		if r.Err != nil {
			return stale, false, r.Err
		}
		if e := r.Val.(*entry); differs(e, stale) {
			return e.certificate, true, nil
		}
		return stale, false, nil
	}
}

// change is what one flight of Renew does.
func (c *Cache) change(q ark.Query, stale *ark.Certificate) (*entry, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.running.Done()
	if e := c.usable(keyOf(q)); e != nil && differs(e, stale) { // another flight has just landed
		return e, nil
	}
	flight := c.flightKey(q)
	e, err := c.fetch(q)
	if err != nil || !differs(e, stale) {
		c.cooldowns.Fail(coolDown(flight, q), err)
		return e, err
	}
	c.cooldowns.Reset(coolDown(flight, q))
	return e, nil
}

// coolDown is what a cool-down is for.
func coolDown(flight string, q ark.Query) string { return fmt.Sprintf("%s %.100q", flight, q.Symptom) }

func differs(e *entry, stale *ark.Certificate) bool {
	return stale == nil || !e.certificate.Leaf.Equal(stale.Leaf)
}
