package certfetch

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
)

// State is what an operator may want to know of a certificate in memory.
type State struct {
	Model      string
	AICC       bool
	Source     string            // who gave it
	Subject    string            // of the leaf, RFC 2253
	Issuers    []string          // of the verified path, from the leaf's issuer to the trust anchor
	Serial     string            // hexadecimal, lower case
	SPKI       string            // base64 SHA-256 of the leaf's SubjectPublicKeyInfo, as certificate.pins.spki has it
	NotBefore  time.Time         // of the leaf
	NotAfter   time.Time         // of the leaf
	Ends       time.Time         // of the whole path, NotAfter or earlier: not used beyond that
	Fetched    time.Time         // when the source was asked
	Renewal    time.Time         // when it is asked again
	Revocation revocation.Status // its Verdict is "" if nobody is asked
	Stale      bool              // older than MaxAge, for it could not be renewed
	LastError  string            // of the last renewal, "" if it did not fail
}

// State tells of every certificate in memory, sorted by model. One that has
// expired is told of until it is replaced or forgotten.
func (c *Cache) State() []State {
	var states []State
	for k, e := range c.held() {
		states = append(states, c.stateOf(k, e))
	}
	slices.SortFunc(states, func(a, b State) int { return cmp.Compare(a.Model, b.Model) })
	return states
}

// held copies what is in memory, so that no request waits while it is told of.
func (c *Cache) held() map[key]*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Collect(c.entries.All)
}

func (c *Cache) stateOf(k key, e *entry) State {
	s := NewState(ark.Query{Model: k.model, AICC: k.aicc}, e.path)
	s.Source, s.Fetched, s.Renewal, s.Revocation = e.source, e.fetched, e.renewal, e.revocation
	s.Stale = e.fault != nil && !c.config.Now().Before(e.fetched.Add(c.config.MaxAge))
	if e.fault != nil {
		s.LastError = clean(e.fault.Error(), nil)
	}
	return s
}

// NewState tells what a verified path, leaf first, says of itself.
func NewState(q ark.Query, path []*x509.Certificate) State {
	leaf := path[0]
	s := State{
		Model:     q.Model,
		AICC:      q.AICC,
		Subject:   leaf.Subject.String(),
		Serial:    fmt.Sprintf("%x", leaf.SerialNumber),
		SPKI:      SPKI(leaf),
		NotBefore: leaf.NotBefore,
		NotAfter:  leaf.NotAfter,
		Ends:      endOf(path),
	}
	for _, issuer := range path[1:] {
		s.Issuers = append(s.Issuers, issuer.Subject.String())
	}
	return s
}

// Counts are totals since the Cache was made.
type Counts struct {
	Fetches   uint64 // that the source was asked
	Failures  uint64 // of these, that brought nothing to be trusted
	Untimely  uint64 // of these, whose certificate is not yet or no more valid by this machine's clock
	Evictions uint64 // certificates that had to go from memory for others
}

// Counts tells how often things have happened.
func (c *Cache) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts
	n.Evictions = c.entries.Evictions()
	return n
}

func (c *Cache) count(fault error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Fetches++
	if fault != nil {
		c.counts.Failures++
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](fault); ok && e.Reason == x509.Expired { // or not valid yet
		c.counts.Untimely++
	}
}
