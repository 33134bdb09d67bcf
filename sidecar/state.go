package sidecar

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sealcar/certfetch"
	"sealcar/certfetch/revocation"
	"sealcar/proxy"
)

// ready gates the sidecar on the certificates that it can fetch by itself: a
// source that needs an application's key has to wait for its first request.
func (r *Route) ready(context.Context) (bool, string) {
	for _, e := range r.endpoints {
		if err := e.Certificates.Warm(); err != nil {
			return false, err.Error()
		}
	}
	return true, describe(r.states(), r.counts(), time.Now())
}

// describe says how the certificates stand.
func describe(states []proxy.CertificateState, counts proxy.CertificateCounts, now time.Time) string {
	switch {
	case len(states) == 0 && counts.Failed == 0:
		return "awaiting first request"
	case len(states) == 0 && counts.Untimely > 0:
		return fmt.Sprintf("no endpoint certificate is at hand: %d fetches failed, %d of them because the certificate is not valid at %s, which is what this machine's clock shows; check that first",
			counts.Failed, counts.Untimely, now.UTC().Format(time.RFC3339))
	case len(states) == 0:
		return fmt.Sprintf("no endpoint certificate is at hand: %d fetches failed, the log has the reasons", counts.Failed)
	}
	inForce := slices.DeleteFunc(slices.Clone(states), func(s proxy.CertificateState) bool { return now.After(s.NotAfter) })
	text := fmt.Sprintf("%d endpoint certificates verified", len(inForce))
	if expired := len(states) - len(inForce); expired > 0 {
		text += fmt.Sprintf("; %d expired, requests for them are refused", expired)
	}
	return text + doubts(states)
}

// doubts says what readiness does not depend on, but an operator should see.
func doubts(states []proxy.CertificateState) string {
	var stale, unknown int
	var reason string
	for _, s := range states {
		if s.Stale {
			stale++
		}
		if s.Revocation == string(revocation.Unknown) {
			unknown, reason = unknown+1, s.RevocationReason
		}
	}
	var text string
	if stale > 0 {
		text += fmt.Sprintf("; %d stale", stale)
	}
	if unknown > 0 {
		text += fmt.Sprintf("; revocation of %d unknown: %s", unknown, reason)
	}
	return text
}

// states gives the facts about the certificates to the metrics and /readyz.
func (r *Route) states() []proxy.CertificateState {
	var list []proxy.CertificateState
	for host, e := range r.endpoints {
		for _, s := range e.Certificates.State() {
			list = append(list, stateOf(s, host))
		}
	}
	return list
}

func stateOf(s certfetch.State, host string) proxy.CertificateState {
	return proxy.CertificateState{
		Model: s.Model, Host: host, Source: s.Source,
		Subject: s.Subject, Issuers: s.Issuers, Serial: s.Serial, SPKI: s.SPKI,
		NotBefore: s.NotBefore, NotAfter: s.NotAfter, Fetched: s.Fetched,
		Stale: s.Stale, LastError: s.LastError,
		Revocation: string(s.Revocation.Verdict), RevocationReason: s.Revocation.Reason, RevocationNextUpdate: s.Revocation.NextUpdate,
	}
}

// counts sums what the certificates' caches count.
func (r *Route) counts() proxy.CertificateCounts {
	var all proxy.CertificateCounts
	for _, e := range r.endpoints {
		n := e.Certificates.Counts()
		all.Fetched += n.Fetches - n.Failures
		all.Failed += n.Failures
		all.Untimely += n.Untimely
		all.Evicted += n.Evictions
	}
	return all
}
