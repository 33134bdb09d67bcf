package soak_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/enclave"
	"sealcar/sidecar"
	"sealcar/test/bench/soak"
)

// otherEnd runs an enclave with its echo until the test ends.
func otherEnd(t *testing.T, o enclave.Options) (addr, state, key string) {
	t.Helper()
	o.StateDir, o.Backend, o.Log = filepath.Join(t.TempDir(), "enclave"), enclave.BackendEcho, zerolog.Nop()
	server, err := enclave.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(t, func(ctx context.Context) error { return server.Serve(ctx, ln) })
	return ln.Addr().String(), o.StateDir, strings.TrimSpace(read(t, filepath.Join(o.StateDir, "api-key")))
}

// bothEnds runs a sidecar in front of an enclave, with a watch between them, and
// gives what applications need.
func bothEnds(t *testing.T) (*soak.Traffic, *soak.Watch) {
	t.Helper()
	watch := &soak.Watch{Marker: rand.Text()}
	addr, state, key := otherEnd(t, enclave.Options{Tap: watch.Tap})
	dir := filepath.Join(t.TempDir(), "sidecar")
	text := strings.NewReplacer("%ADDR%", addr, "%STATE%", state, "%DIR%", dir).Replace(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: '%DIR%'
routes:
  - name: ark
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://%ADDR%
    upstream_ca_file: '%STATE%/tls-ca.pem'
    certificate: {roots: '%STATE%/roots.pem'}
`)
	c, err := config.Load(config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=" + text}})
	if err != nil {
		t.Fatal(err)
	}
	side, err := sidecar.New(sidecar.Options{Config: c, Log: zerolog.Nop(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	run(t, side.Run)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(read(t, filepath.Join(dir, "ca", "ca.crt")))) {
		t.Fatal("the sidecar has no authority")
	}
	return &soak.Traffic{
		Sidecar: side.Addr().String(), Roots: roots, Hosts: []string{"ark.cn-beijing.volces.com"}, Key: key,
		Marker: watch.Marker, Seed: 1, Workers: 8, Largest: 256 << 10,
	}, watch
}

func run(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
