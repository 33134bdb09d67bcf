package soak_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"sealcar/enclave"
	"sealcar/test/bench/soak"
	"sealcar/test/inprocess"
)

// bothEnds runs a sidecar in front of an enclave, with a watch between them, and
// gives what applications need.
func bothEnds(t *testing.T) (*soak.Traffic, *soak.Watch) {
	t.Helper()
	watch := &soak.Watch{Marker: rand.Text()}
	far := inprocess.StartEnclave(t, enclave.Options{Tap: watch.Tap})
	dir := t.TempDir()
	near := inprocess.StartSidecar(t, strings.NewReplacer("%ADDR%", far.Addr, "%STATE%", far.State, "%DIR%", dir).Replace(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: '%DIR%'
routes:
  - name: ark
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://%ADDR%
    upstream_ca_file: '%STATE%/tls-ca.pem'
    certificate: {roots: '%STATE%/roots.pem'}
`), nil)
	ca, err := os.ReadFile(near.CAFiles().CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the sidecar has no authority")
	}
	return &soak.Traffic{
		Sidecar: near.Addr().String(), Roots: roots, Hosts: []string{"ark.cn-beijing.volces.com"}, Key: far.Key,
		Marker: watch.Marker, Seed: 1, Workers: 8, Largest: 256 << 10,
	}, watch
}

// until runs traffic until the tally has so many requests, and gives the counts by
// kind.
func until(t *testing.T, traffic *soak.Traffic, requests int) (*soak.Tally, map[string]soak.Count) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	tally := new(soak.Tally)
	go func() {
		defer stop()
		for total := tally.Total(); total.Right+total.Wrong < requests && ctx.Err() == nil; total = tally.Total() {
			time.Sleep(time.Millisecond)
		}
	}()
	traffic.Run(ctx, tally)
	counts := map[string]soak.Count{}
	for _, c := range tally.Counts() {
		counts[c.Kind] = c
	}
	return tally, counts
}
