package certfetch

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"time"

	"sealcar/apierror"
	"sealcar/crypto/ark"
)

// Chain is a Source that asks several, one after the other, until one has a
// certificate that Verifier trusts. A file that has expired does not stand in
// the way of an endpoint that answers, nor does one that hangs: each has its share
// of the time there is.
type Chain struct {
	Members  []Member  // required
	Verifier *Verifier // nil = the first answer is taken as it is
}

// Member is one Source of a Chain.
type Member struct {
	Name   string // as operators know it
	Source Source
}

// CheckCredential refuses a query that every member would refuse.
func (s *Chain) CheckCredential(q ark.Query) error {
	var refused error
	for _, m := range s.Members {
		p, ok := m.Source.(perCredential)
		if !ok {
			return nil
		}
		if refused = p.CheckCredential(q); refused == nil {
			return nil
		}
	}
	return refused
}

// Version implements the watching of those members that can be watched.
func (s *Chain) Version() string {
	var all strings.Builder
	for _, m := range s.Members {
		if v, ok := m.Source.(versioned); ok {
			all.WriteString(v.Version() + "\n")
		}
	}
	return all.String()
}

// Fetch implements Source.
func (s *Chain) Fetch(ctx context.Context, q ark.Query) ([]*x509.Certificate, error) {
	chain, _, err := s.FetchNamed(ctx, q)
	return chain, err
}

// FetchNamed is Fetch, and tells which member it was.
func (s *Chain) FetchNamed(ctx context.Context, q ark.Query) (chain []*x509.Certificate, member string, err error) {
	var faults []error
	var told []string
	for i, m := range s.Members {
		chain, err := m.fetchWithin(ctx, len(s.Members)-i, q)
		if err == nil && s.Verifier != nil {
			if _, fault := s.Verifier.Verify(chain, q.AICC); fault != nil {
				err = untrusted(q, fault)
			}
		}
		if err == nil {
			return chain, m.Name, nil
		}
		e := apierror.From(err, "certificate_unavailable", err.Error())
		faults = append(faults, e)
		told = append(told, m.Name+": "+e.Message)
	}
	return nil, "", s.refusal(q, faults, told)
}

// fetchWithin is Fetch within one share of the time that ctx has left, so that a
// member that hangs leaves the next ones theirs.
func (m Member) fetchWithin(ctx context.Context, shares int, q ark.Query) ([]*x509.Certificate, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(shares))
		defer cancel()
	}
	return m.Source.Fetch(ctx, q)
}

// refusal is the error of all members: of the kind that most likely goes away by
// itself, with what each of them said.
func (s *Chain) refusal(q ark.Query, faults []error, told []string) error {
	all := apierror.Error{Status: http.StatusServiceUnavailable, Code: "certificate_unavailable"}
	for i, fault := range faults {
		e, ok := errors.AsType[*apierror.Error](fault)
		if ok && (i == 0 || e.Status > all.Status || e.Status == all.Status && !e.NoRetry) {
			all = *e
		}
	}
	all.Message = "none of the sources has a certificate for model " + name(q.Model) + ": " + strings.Join(told, " | ")
	all.Cause = errors.Join(faults...)
	return &all
}
