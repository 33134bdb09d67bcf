package certfetch

import (
	"fmt"

	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
)

// maxRefreshing bounds the renewals that run at a time. What does not get a
// place is served as it is, and the next request for it tries again.
const maxRefreshing = 16

// refresh renews what is due of q's certificate in the background.
func (c *Cache) refresh(q ark.Query, e *entry) {
	flight := c.flightKey(q)
	if _, early := c.faults.Waiting(flight); early && !c.revocationDue(e) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.refreshing[flight] || len(c.refreshing) >= maxRefreshing {
		return
	}
	c.refreshing[flight] = true
	c.running.Go(func() {
		c.refreshNow(q, flight)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.refreshing, flight)
	})
}

func (c *Cache) refreshNow(q ark.Query, flight string) {
	k := keyOf(q)
	old := c.cached(k)
	if old == nil {
		return
	}
	_, early := c.faults.Waiting(flight)
	if c.renewalDue(old) && !early {
		if e := c.load(q); e != nil && e.fetched.After(old.fetched) && !c.renewalDue(e) { // another process has been faster
			c.remember(k, e)
			return
		}
		_, err := c.fetch(q)
		if err == nil {
			return
		}
		old = c.serveOn(k, old, err)
		c.recheck(q, old) // what made the new one fail may hold for the old one too
		return
	}
	if c.revocationDue(old) {
		c.recheck(q, old)
	}
}

// serveOn records that a renewal failed.
func (c *Cache) serveOn(k key, old *entry, fault error) *entry {
	c.config.Report(fmt.Errorf("renewing the certificate of model %s, the one of %s serves on: %w", name(k.model), old.fetched.Format(timeFormat), fault))
	if c.concernsCaller(fault) {
		return old
	}
	e := *old
	e.fault = fault
	c.replace(k, old, &e)
	return &e
}

// load gives what the disk holds for q, verified again. A bad file is reported
// and counts as none.
func (c *Cache) load(q ark.Query) *entry {
	if c.disk == nil {
		return nil
	}
	k := keyOf(q)
	f, err := c.disk.load(k)
	if err == nil && f == nil {
		return nil
	}
	if err == nil {
		e := &entry{chain: f.chain, fetched: f.fetched, source: f.source}
		if err = c.rejudge(q, e); err == nil {
			return e
		}
		if e.revocation.Verdict == revocation.Revoked {
			c.unsave(k)
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

func (c *Cache) unsave(k key) {
	if c.disk == nil {
		return
	}
	if err := c.disk.remove(k); err != nil {
		c.config.Report(fmt.Errorf("certificate cache: removing the certificate of model %s: %w", name(k.model), err))
	}
}
