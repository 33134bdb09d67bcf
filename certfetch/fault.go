package certfetch

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"sealcar/apierror"
	"sealcar/backoff"
	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
)

// How long a failure is remembered whose mend is somebody's decision (another
// key, another right, another setting), and how long at most one that named its
// own wait. All others back off from 0.5 s to 30 s.
const (
	refusalMemory = 5 * time.Second
	maxMemory     = time.Minute
)

// failed remembers why a certificate could not be got, so that requests that
// need it fail at once for a while, and tells how long that is.
func (c *Cache) failed(flight string, fault error) error {
	e, ok := errors.AsType[*apierror.Error](fault)
	if !ok {
		return fault
	}
	var f backoff.Failure
	switch {
	case e.RetryAfter > 0:
		f = c.faults.Hold(flight, fault, min(e.RetryAfter, maxMemory))
	case e.Status < http.StatusInternalServerError, e.Code == "certificate_rejected":
		f = c.faults.Hold(flight, fault, refusalMemory)
	default:
		f = c.faults.Fail(flight, fault)
	}
	return c.again(f)
}

// again is a remembered failure as it is told now.
func (c *Cache) again(f backoff.Failure) error {
	e, ok := errors.AsType[*apierror.Error](f.Err)
	if !ok || e.NoRetry || e.Status != http.StatusServiceUnavailable && e.Status != http.StatusTooManyRequests {
		return f.Err
	}
	told := *e
	since := c.config.Now().Sub(f.Since)
	told.RetryAfter = max(e.RetryAfter-since, f.Until.Sub(c.config.Now()))
	return &told
}

// concernsCaller tells a refusal of one caller's own credential.
func (c *Cache) concernsCaller(fault error) bool {
	e, ok := errors.AsType[*apierror.Error](fault)
	if !ok || c.credential == nil {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	default:
		return false
	}
}

// untrusted refuses a certificate that does not verify. The names in it are
// whatever its maker has put there.
func untrusted(q ark.Query, cause error) error {
	cause = cleanError(cause, []string{q.Credential})
	return &apierror.Error{
		Status: http.StatusServiceUnavailable,
		Code:   "certificate_untrusted",
		Message: fmt.Sprintf("sealcar does not trust the certificate of model %s, so nothing was sent%s; check certificate.roots and certificate.pins, this machine's clock, and what stands between sealcar and the endpoint",
			name(q.Model), quoted(cause.Error())),
		NoRetry: true,
		Cause:   cause,
	}
}

// notAllowed refuses a certificate that was revoked or could have been.
func notAllowed(q ark.Query, s revocation.Status) error {
	e := &apierror.Error{Status: http.StatusServiceUnavailable, NoRetry: true}
	reason := clean(s.Reason, []string{q.Credential})
	if s.Verdict == revocation.Revoked {
		e.Code = "certificate_revoked"
		e.Message = fmt.Sprintf("the certificate of model %s was revoked, so nothing was sent (%s); whoever runs the endpoint has to give it a new one", name(q.Model), reason)
		return e
	}
	e.Code = "certificate_untrusted"
	e.Message = fmt.Sprintf("sealcar could not learn whether the certificate of model %s was revoked, so nothing was sent%s; make the addresses reachable, or set certificate.revocation.mode to soft",
		name(q.Model), quoted(reason))
	return e
}
