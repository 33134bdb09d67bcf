package revocation

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"sealcar/backoff"
)

// statement is a CRL or an OCSP response whose signature has been checked.
// Immutable.
type statement struct {
	by         string // who says it, for messages
	thisUpdate time.Time
	nextUpdate time.Time
	due        time.Time             // to be asked for anew, well before nextUpdate
	revoked    map[string]revocation // by serial number, as big-endian bytes
	ignorant   bool                  // OCSP: the responder does not know the certificate
}

// revocation is one entry.
type revocation struct {
	at     time.Time
	reason int // CRLReason, RFC 5280 §5.3.1
}

func serialKey(c *x509.Certificate) string { return string(c.SerialNumber.Bytes()) }

// judge says what the statement means for c.
func (s *statement) judge(c *x509.Certificate) Status {
	if r, ok := s.revoked[serialKey(c)]; ok {
		return Status{
			Verdict: Revoked,
			Due:     s.due,
			Reason:  fmt.Sprintf("certificate %x is revoked since %s (%s), says %s", c.SerialNumber, r.at.UTC().Format(time.RFC3339), reasonName(r.reason), s.by),
		}
	}
	if s.ignorant {
		return Status{Verdict: Unknown, Due: s.due, Reason: fmt.Sprintf("%s does not know certificate %x", s.by, c.SerialNumber)}
	}
	return Status{Verdict: Good, NextUpdate: s.nextUpdate, Due: s.due}
}

// revokesForGood says whether s revokes c and no time can undo that: only a hold
// is ever lifted (RFC 5280 §5.3.1).
func (s *statement) revokesForGood(c *x509.Certificate) bool {
	r, ok := s.revoked[serialKey(c)]
	return ok && r.reason != certificateHold
}

// certificateHold is the CRLReason of a revocation that may be lifted.
const certificateHold = 6

// inForce checks the statement's own times. Without a nextUpdate it could be
// replayed for ever.
func (s *statement) inForce(now time.Time, skew time.Duration) error {
	switch {
	case s.nextUpdate.IsZero():
		return errors.New("it has no nextUpdate")
	case s.thisUpdate.After(now.Add(skew)):
		return fmt.Errorf("it is from the future (thisUpdate %s)", s.thisUpdate.UTC().Format(time.RFC3339))
	case s.nextUpdate.Before(now.Add(-skew)):
		return fmt.Errorf("it is stale (nextUpdate %s)", s.nextUpdate.UTC().Format(time.RFC3339))
	default:
		return nil
	}
}

// When a statement that serves is asked for anew: after three quarters of the
// time it has left, less up to a tenth of that by jitter, at least daily (a CA
// that revokes does not wait for nextUpdate), and never in haste.
const (
	soonestRefresh = time.Minute
	latestRefresh  = 24 * time.Hour
)

func refreshAt(now, nextUpdate time.Time, jitter backoff.Jitter) time.Time {
	wait := min(nextUpdate.Sub(now)*3/4, latestRefresh)
	wait -= jitter.Of(wait / 10)
	return now.Add(max(wait, soonestRefresh))
}

// reasonName gives a CRLReason its name (RFC 5280 §5.3.1).
func reasonName(reason int) string {
	switch reason {
	case 0:
		return "no reason given"
	case 1:
		return "keyCompromise"
	case 2:
		return "cACompromise"
	case 3:
		return "affiliationChanged"
	case 4:
		return "superseded"
	case 5:
		return "cessationOfOperation"
	case certificateHold:
		return "certificateHold"
	case 9:
		return "privilegeWithdrawn"
	case 10:
		return "aACompromise"
	default:
		return fmt.Sprintf("reason %d", reason)
	}
}
