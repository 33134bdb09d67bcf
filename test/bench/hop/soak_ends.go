package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"sealcar/test/bench/soak"
	"sealcar/test/wire"
)

// bothEnds are the real commands, with a relay for each route between them.
type bothEnds struct {
	enclave *process
	sidecar *process
	relays  []*wire.Relay
	watch   *soak.Watch

	addr, admin string // of the sidecar
	config      string // its file
	text        string // of which this is the beginning, with one %d
	state       string // the sidecar's
	keys        string // the enclave's
}

// Kept connections end within the time in which the sidecar is to be quiet again.
// The enclave keeps no key after a rotation: each costs the requests on their way
// another attempt, which the applications must not feel.
const soakConfig = `listen: %[1]s
admin: {listen: "%[2]s"}
state_dir: %[3]s
timeouts: {idle: 1m}
allowed_hosts: [%%d.soak.example]
routes:
  - name: http2
    hosts: [%[4]s]
    upstream: https://%[5]s
    upstream_ca_file: %[6]s/tls-ca.pem
    certificate: {roots: %[6]s/roots.pem}
  - name: http1
    hosts: [%[7]s]
    upstream: https://%[8]s
    upstream_ca_file: %[6]s/tls-ca.pem
    certificate: {roots: %[6]s/roots.pem}
`

// startEnds starts both ends in dir; marker is what must not be seen between them.
func startEnds(ctx context.Context, binary, dir, marker string) (e *bothEnds, err error) {
	e = &bothEnds{
		watch: &soak.Watch{Marker: marker},
		state: filepath.Join(dir, "sidecar"), keys: filepath.Join(dir, "enclave"), config: filepath.Join(dir, "sidecar.yaml"),
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	at, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	e.enclave, err = start(dir, "enclave", binary, "enclave", "--listen", at, "--state", e.keys, "--key-overlap", "0s", "--echo-delay", "2ms")
	if err != nil {
		return nil, err
	}
	if err := e.enclave.awaitPort(ctx, at); err != nil {
		return nil, err
	}
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		relay, err := wire.StartRelay(ctx, wire.RelayOptions{To: at, State: e.keys, Tap: e.watch.Tap, Protocols: protocols})
		if err != nil {
			return nil, err
		}
		e.relays = append(e.relays, relay)
	}
	for _, addr := range []*string{&e.addr, &e.admin} {
		if *addr, err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	hosts := soakHosts()
	e.text = fmt.Sprintf(soakConfig, e.addr, e.admin, e.state, hosts[0], e.relays[0].Addr(), e.keys, hosts[1], e.relays[1].Addr())
	if err := e.configure(0); err != nil {
		return nil, err
	}
	if e.sidecar, err = start(dir, "sidecar", binary, "run", "--config", e.config); err != nil {
		return nil, err
	}
	return e, awaitReady(ctx, e.admin)
}

// soakHosts are routed: the first one's upstream speaks HTTP/2, the second one's
// HTTP/1.1 alone.
func soakHosts() []string { return []string{arkHost, "ark.ap-southeast.bytepluses.com"} }

// configure writes the n-th configuration, in one step as an operator's tool would:
// the sidecar sees that it has changed.
func (e *bothEnds) configure(n int) error {
	if err := os.WriteFile(e.config+".new", fmt.Appendf(nil, e.text, n), 0o600); err != nil {
		return fmt.Errorf("configuring sealcar: %w", err)
	}
	if err := os.Rename(e.config+".new", e.config); err != nil {
		return fmt.Errorf("configuring sealcar: %w", err)
	}
	return nil
}

// hangUp is SIGHUP: a new key at the enclave, a reload at the sidecar.
func (p *process) hangUp() error {
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// traffic is that of applications of this sidecar.
func (e *bothEnds) traffic(o soaking, seed uint64) (*soak.Traffic, error) {
	key, err := os.ReadFile(filepath.Join(e.keys, "api-key"))
	if err != nil {
		return nil, fmt.Errorf("reading the API key: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(e.state, "ca", "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the sidecar's authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("reading the sidecar's authority: no certificate")
	}
	return &soak.Traffic{
		Sidecar: e.addr, Roots: roots, Hosts: soakHosts(), Key: strings.TrimSpace(string(key)),
		Marker: e.watch.Marker, Seed: seed, Workers: o.workers, Pause: o.pause,
	}, nil
}

// readLogs looks for content in the logs of both ends.
func (e *bothEnds) readLogs() error {
	for _, p := range []*process{e.sidecar, e.enclave} {
		log, err := os.Open(p.log)
		if err != nil {
			return fmt.Errorf("reading a log: %w", err)
		}
		err = e.watch.Read("the log of the "+p.name, log)
		_ = log.Close() // it was only read
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *bothEnds) close() {
	for _, p := range []*process{e.sidecar, e.enclave} {
		if p != nil {
			p.stop()
		}
	}
	for _, relay := range e.relays {
		relay.Close()
	}
}
