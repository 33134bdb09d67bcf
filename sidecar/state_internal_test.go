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
		want   string
	}{
		{"nothing happened yet", nil, 0, "awaiting first request"},
		{"nothing but failures", nil, 3, "no endpoint certificate is at hand: 3 fetches failed, the log has the reasons"},
		{"in force", []proxy.CertificateState{good, good}, 1, "2 endpoint certificates verified"},
		{"expired in an outage", []proxy.CertificateState{good, expired}, 1, "1 endpoint certificates verified; 1 expired, requests for them are refused; 1 stale"},
	}
	for _, test := range tests {
		if got := describe(test.states, proxy.CertificateCounts{Failed: test.failed}, now); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
