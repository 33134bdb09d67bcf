package certfetch

import (
	"crypto/x509"
	"time"

	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
)

// entry is a verified certificate and what is known about it. Immutable: what
// changes is replaced.
type entry struct {
	certificate *ark.Certificate
	chain       []*x509.Certificate // as fetched, leaf first
	path        []*x509.Certificate // as verified, leaf first, anchor last
	source      string              // who gave it
	version     string              // what the source's Version was then
	fetched     time.Time           // when the source was asked
	renewal     time.Time           // when it is to be asked again
	revocation  revocation.Status   // zero if nobody is asked
	fault       error               // of the last renewal, if it failed
}

// When an entry is renewed: in the last fifth of MaxAge, and in the last tenth of
// the certificate's own life; when exactly is drawn, so that many sidecars that
// began together do not ask together. A source may well give the same
// certificate again, whose end is no further: it is not asked in haste.
const soonestRenewal = time.Minute

func (c *Cache) renewalOf(e *entry) time.Time {
	age := c.config.MaxAge*9/10 - c.config.Jitter.Of(c.config.MaxAge/10)
	leaf := e.certificate.Leaf
	end, life := endOf(e.path), leaf.NotAfter.Sub(leaf.NotBefore)
	ahead := life/20 + c.config.Jitter.Of(life/20)
	at := e.fetched.Add(age)
	if expiry := end.Add(-ahead); expiry.Before(at) {
		at = expiry
	}
	if soonest := e.fetched.Add(min(age, soonestRenewal)); at.Before(soonest) {
		return soonest
	}
	return at
}

// due says whether something about e should be asked anew.
func (c *Cache) due(e *entry) bool { return c.renewalDue(e) || c.revocationDue(e) }

// renewalDue is also true after the clock was set back, which makes the age
// unknown, and so too great.
func (c *Cache) renewalDue(e *entry) bool {
	now := c.config.Now()
	return !now.Before(e.renewal) || now.Before(e.fetched) || c.version != nil && c.version() != e.version
}

func (c *Cache) revocationDue(e *entry) bool {
	return c.config.Revocation.Checker != nil && !c.config.Now().Before(e.revocation.Due)
}

// allowed says whether what is known about revocation lets a certificate be used.
func (c *Cache) allowed(s revocation.Status) bool {
	switch {
	case c.config.Revocation.Checker == nil:
		return true
	case s.Verdict == revocation.Revoked:
		return false
	case c.config.Revocation.Hard:
		return s.Verdict == revocation.Good && !c.config.Now().Add(-c.config.Verifier.ClockSkew).After(s.NextUpdate)
	default:
		return true
	}
}

// cached gives what memory holds for k, unless it has expired.
func (c *Cache) cached(k key) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(k)
	if !ok || !c.config.Verifier.inForce(e.path) {
		return nil
	}
	return e
}

// usable gives what memory holds for k, if it may be given out.
func (c *Cache) usable(k key) *entry {
	if e := c.cached(k); e != nil && c.allowed(e.revocation) {
		return e
	}
	return nil
}

// remember puts e into memory and says whether it did: what was asked for later
// stays, for the two may have crossed a change of the certificate. What claims to
// be from the future does not count.
func (c *Cache) remember(k key, e *entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there, ok := c.entries.Get(k); ok && there.fetched.After(e.fetched) && !there.fetched.After(c.config.Now()) {
		return false
	}
	c.entries.Put(k, e)
	return true
}

// replace puts e in the place of old, unless something else is there by now.
func (c *Cache) replace(k key, old, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there, ok := c.entries.Get(k); ok && there == old {
		c.entries.Put(k, e)
	}
}

// drop forgets a certificate that must not be used any more, unless another has
// taken its place by now: then the file is that one's too.
func (c *Cache) drop(k key, old *entry) {
	c.mu.Lock()
	there, ok := c.entries.Get(k)
	replaced := ok && there != old
	if !replaced {
		c.entries.Delete(k)
	}
	c.mu.Unlock()
	if !replaced {
		c.unsave(k)
	}
}
