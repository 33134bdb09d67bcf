package certfetch

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// State is what an operator may want to know of a certificate in memory.
type State struct {
	Model    string
	AICC     bool
	NotAfter time.Time
	Fetched  time.Time
	Serial   string // hexadecimal, lower case
	SPKI     string // base64 SHA-256 of the leaf's SubjectPublicKeyInfo
	Stale    bool   // older than MaxAge and could not be renewed
}

// State tells of every certificate in memory, sorted by model. One that has
// expired is told of until it is replaced or forgotten.
func (c *Cache) State() []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	var states []State
	for k, e := range c.entries.all {
		leaf := e.certificate.Leaf
		pin := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
		states = append(states, State{
			Model:    k.model,
			AICC:     k.aicc,
			NotAfter: leaf.NotAfter,
			Fetched:  e.fetched,
			Serial:   fmt.Sprintf("%x", leaf.SerialNumber),
			SPKI:     base64.StdEncoding.EncodeToString(pin[:]),
			Stale:    !e.retry.IsZero(),
		})
	}
	slices.SortFunc(states, func(a, b State) int { return cmp.Compare(a.Model, b.Model) })
	return states
}
