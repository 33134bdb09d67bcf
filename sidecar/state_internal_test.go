package sidecar

import (
	"testing"
	"time"

	"sealcar/proxy"
)

func TestReadinessTellsHowTheCertificatesStand(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	good := proxy.CertificateState{NotAfter: now.Add(time.Hour)}
	expired := proxy.CertificateState{NotAfter: now.Add(-time.Hour), Stale: true}
	tests := []struct {
		name   string
		states []proxy.CertificateState
		failed uint64
		clock  uint64 // failures by the clock
		want   string
	}{
		{"nothing happened yet", nil, 0, 0, "awaiting first request"},
		{"nothing but failures", nil, 3, 0, "no endpoint certificate is at hand: 3 fetches failed, the log has the reasons"},
		{"a clock that is wrong", nil, 3, 2, "no endpoint certificate is at hand: 3 fetches failed, 2 of them because the certificate is not valid at 2027-01-15T08:00:00Z, which is what this machine's clock shows; check that first"},
		{"in force", []proxy.CertificateState{good, good}, 1, 0, "2 endpoint certificates verified"},
		{"expired in an outage", []proxy.CertificateState{good, expired}, 1, 0, "1 endpoint certificates verified; 1 expired, requests for them are refused; 1 stale"},
	}
	for _, test := range tests {
		if got := describe(test.states, proxy.CertificateCounts{Failed: test.failed, Untimely: test.clock}, now); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
