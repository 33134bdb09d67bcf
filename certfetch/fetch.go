package certfetch

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"

	"sealcar/apierror"
	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
)

// await gets a certificate that is not at hand: together with whoever else waits
// for it, and not while it is too early to try again.
func (c *Cache) await(ctx context.Context, q ark.Query) (*entry, error) {
	k := c.flightKey(q)
	if f, ok := c.faults.Waiting(k); ok {
		return nil, c.again(f)
	}
	return c.join(ctx, q, "get "+k, c.get)
}

// Fetch asks the source anew, once for all who wait, whatever is at hand and
// whatever has just failed: for somebody who asks by hand. What can be trusted
// is kept. Its errors are those of Certificate.
func (c *Cache) Fetch(ctx context.Context, q ark.Query) (*ark.Certificate, error) {
	if err := c.check(q); err != nil {
		return nil, err
	}
	e, err := c.join(ctx, q, "fetch "+c.flightKey(q), c.fetchAnew)
	if err != nil {
		return nil, err
	}
	return e.certificate, nil
}

func (c *Cache) fetchAnew(q ark.Query) (*entry, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.running.Done()
	return c.fetch(q)
}

// join waits for what a flight brings, which it starts if nobody has. A waiter
// that gives up leaves it to the others.
func (c *Cache) join(ctx context.Context, q ark.Query, flight string, do func(ark.Query) (*entry, error)) (*entry, error) {
	done := c.flight.DoChan(flight, func() (any, error) { return do(q) })
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the certificate of model %s: %w", name(q.Model), ctx.Err())
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*entry), nil
	}
}

// get is what one flight does: look again, look on disk, fetch. It runs in the
// Cache's own time, not in that of the request that came first.
func (c *Cache) get(q ark.Query) (*entry, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.running.Done()
	k := keyOf(q)
	if e := c.cached(k); e != nil { // another flight has just landed, or all it lacked was a word on its revocation
		if e = c.recheck(q, e); e != nil {
			return e, nil
		}
	}
	if e := c.load(q); e != nil {
		c.remember(k, e)
		return e, nil
	}
	return c.fetch(q)
}

// begin registers what runs, so that Close can wait for it.
func (c *Cache) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return &apierror.Error{
			Status:  http.StatusServiceUnavailable,
			Code:    "certificate_unavailable",
			Message: "sealcar is stopping or has a new configuration; try again",
			Cause:   errClosed,
		}
	}
	c.running.Add(1)
	return nil
}

// fetch asks the source, and keeps what can be trusted or else the failure.
func (c *Cache) fetch(q ark.Query) (*entry, error) {
	flight, k := c.flightKey(q), keyOf(q)
	e, err := c.ask(q)
	c.count(err)
	if err != nil {
		return nil, c.failed(flight, err)
	}
	c.faults.Reset(flight)
	if c.remember(k, e) {
		c.save(k, e)
	}
	return e, nil
}

func (c *Cache) ask(q ark.Query) (*entry, error) {
	ctx, cancel := context.WithTimeout(c.life, c.config.Timeout)
	defer cancel()
	e := &entry{fetched: c.config.Now(), source: c.config.SourceName}
	if c.version != nil {
		e.version = c.version() // before the fetch: a change meanwhile is then seen
	}
	var err error
	if s, ok := c.config.Source.(*Chain); ok {
		e.chain, e.source, err = s.FetchNamed(ctx, q)
	} else {
		e.chain, err = c.config.Source.Fetch(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	return e, c.judge(q, e)
}

// judge completes an entry if its chain can be trusted now. That it was not
// revoked is asked last: only a path that verifies names addresses worth asking.
func (c *Cache) judge(q ark.Query, e *entry) error {
	if err := c.verify(q, e); err != nil {
		return err
	}
	e.revocation = c.askRevocation(e.path)
	if c.allowed(e.revocation) {
		return nil
	}
	return notAllowed(q, e.revocation)
}

// rejudge is judge for a certificate that was good enough before, and so needs
// nobody to wait: where not knowing does not refuse it, its revocation is asked
// about in the background.
func (c *Cache) rejudge(q ark.Query, e *entry) error {
	if c.config.Revocation.Checker == nil || c.config.Revocation.Hard {
		return c.judge(q, e)
	}
	e.revocation = revocation.Status{Verdict: revocation.Unknown, Reason: "not asked yet since the start", Due: c.config.Now()}
	return c.verify(q, e)
}

func (c *Cache) verify(q ark.Query, e *entry) error {
	var err error
	if e.certificate, e.path, err = c.config.Verifier.VerifyPath(e.chain, q.AICC); err != nil {
		return untrusted(q, err)
	}
	e.renewal = c.renewalOf(e)
	return nil
}

// askRevocation waits, but not for long: see revocation.Config.Timeout.
func (c *Cache) askRevocation(path []*x509.Certificate) revocation.Status {
	if c.config.Revocation.Checker == nil {
		return revocation.Status{}
	}
	return c.config.Revocation.Checker.Check(c.life, path)
}

// recheck asks about the revocation of an entry at hand, and gives what is to
// be used of it, if anything. One that is revoked is forgotten.
func (c *Cache) recheck(q ark.Query, old *entry) *entry {
	if c.config.Revocation.Checker == nil {
		return old
	}
	k, e := keyOf(q), *old
	e.revocation = c.askRevocation(old.path)
	switch {
	case e.revocation.Verdict == revocation.Revoked:
		c.drop(k, old)
		c.config.Report(notAllowed(q, e.revocation))
		return nil
	case !c.allowed(e.revocation):
		c.replace(k, old, &e)
		return nil
	default:
		c.replace(k, old, &e)
		return &e
	}
}
