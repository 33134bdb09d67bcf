package certfetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"sealcar/apierror"
	"sealcar/crypto/ark"
)

// renew is what one flight does: look again, look on disk, fetch, and if that
// fails fall back on a certificate that is still good. It runs under the
// Cache's own time limit, not under that of the request that came first.
func (c *Cache) renew(q ark.Query) (*entry, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.fetching.Done()
	k := key{q.Model, q.AICC}
	old := c.cached(k)
	if old != nil && c.current(old) { // another flight has just landed
		return old, nil
	}
	if e := c.load(k); e != nil && (old == nil || e.fetched.After(old.fetched)) {
		if c.remember(k, e); c.current(e) {
			return e, nil
		}
		old = e
	}
	e, err := c.fetch(q)
	if err != nil {
		return c.keep(k, old, err)
	}
	c.remember(k, e)
	c.save(k, e)
	return e, nil
}

// begin registers a flight, so that Close can wait for it.
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
	c.fetching.Add(1)
	return nil
}

func (c *Cache) fetch(q ark.Query) (*entry, error) {
	ctx, cancel := context.WithTimeout(c.fetches, c.config.Timeout)
	defer cancel()
	chain, err := c.config.Source.Fetch(ctx, q)
	if err != nil {
		return nil, err
	}
	return c.judge(q.Model, q.AICC, chain)
}

// judge makes an entry of a chain if the chain can be trusted now.
func (c *Cache) judge(model string, aicc bool, chain []*x509.Certificate) (*entry, error) {
	certificate, err := c.config.Verifier.Verify(chain, aicc)
	if err != nil {
		return nil, &apierror.Error{
			Status: http.StatusServiceUnavailable,
			Code:   "certificate_untrusted",
			Message: fmt.Sprintf("sealcar does not trust the certificate of model %s, so nothing was sent%s; check certificate.roots, this machine's clock, and what stands between sealcar and the endpoint",
				name(model), quoted(clean(err.Error(), nil))),
			NoRetry: true,
			Cause:   err,
		}
	}
	return &entry{certificate: certificate, chain: chain, fetched: c.config.Now()}, nil
}

// keep answers with the old certificate if it can be trusted still, and with
// fault if not. The next attempt waits for the Backoff, unless the fault is that
// of one caller's credential: another's may well be good.
func (c *Cache) keep(k key, old *entry, fault error) (*entry, error) {
	if old == nil {
		return nil, fault
	}
	e, err := c.judge(k.model, k.aicc, old.chain)
	if err != nil {
		return nil, fault
	}
	e.fetched = old.fetched
	c.config.Report(fmt.Errorf("renewing the certificate of model %s, the one of %s serves on: %w", name(k.model), old.fetched.Format(timeFormat), fault))
	if !c.concernsCaller(fault) {
		e.retry = c.config.Now().Add(c.config.Backoff)
	}
	return c.replace(k, old, e), nil
}

func (c *Cache) concernsCaller(fault error) bool {
	if _, ok := c.config.Source.(perCredential); !ok {
		return false
	}
	e, ok := errors.AsType[*apierror.Error](fault)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	default:
		return false
	}
}

// load gives what the disk holds for k, verified again. A bad file is reported
// and counts as none.
func (c *Cache) load(k key) *entry {
	if c.disk == nil {
		return nil
	}
	f, err := c.disk.load(k)
	if err == nil && f == nil {
		return nil
	}
	if err == nil {
		var e *entry
		if e, err = c.judge(k.model, k.aicc, f.chain); err == nil {
			e.fetched = f.fetched
			return e
		}
	}
	c.config.Report(fmt.Errorf("certificate cache: ignoring what is kept of model %s: %w", name(k.model), err))
	return nil
}

func (c *Cache) save(k key, e *entry) {
	if c.disk == nil {
		return
	}
	if err := c.disk.save(k, e); err != nil {
		c.config.Report(fmt.Errorf("certificate cache: keeping the certificate of model %s: %w", name(k.model), err))
	}
}
