package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"sealcar/crypto/ark"
)

// arkHost is the routed host, for requests in absolute form.
const arkHost = "ark.cn-beijing.volces.com"

// rig is everything that runs during a measurement.
type rig struct {
	dir    string // scratch
	keys   string // an enclave's state
	binary string // sealcar
	self   string // this program

	upstream, upstream2 string // host:port, with HTTP/1.1 alone and with HTTP/2
	processes           []*process
}

// newRig makes the keys and starts the two upstreams.
func newRig(ctx context.Context, binary string) (r *rig, err error) {
	r = &rig{binary: binary}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.binary, err = filepath.Abs(binary); err != nil {
		return nil, fmt.Errorf("the binary %q: %w", binary, err)
	}
	if r.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	if r.dir, err = os.MkdirTemp("", "hop"); err != nil {
		return nil, fmt.Errorf("making a place for scratch: %w", err)
	}
	r.keys = filepath.Join(r.dir, "enclave")
	if err = r.makeKeys(ctx); err != nil {
		return nil, err
	}
	for _, u := range []struct {
		addr  *string
		name  string
		flags []string
	}{{&r.upstream, "upstream", nil}, {&r.upstream2, "upstream2", []string{"-http2"}}} {
		if *u.addr, _, err = r.child(ctx, u.name, "upstream", u.flags...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// makeKeys has an enclave make its hierarchy of certificates.
func (r *rig) makeKeys(ctx context.Context) error {
	addr, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	p, err := start(r.dir, "enclave", r.binary, "enclave", "--listen", addr, "--state", r.keys)
	if err != nil {
		return err
	}
	defer p.stop()
	return p.awaitPort(ctx, addr)
}

// child starts this program in another role.
func (r *rig) child(ctx context.Context, name, role string, flags ...string) (addr string, p *process, err error) {
	if addr, err = freeAddress(ctx); err != nil {
		return "", nil, err
	}
	args := append([]string{role, "-listen", addr, "-keys", r.keys}, flags...)
	if p, err = start(r.dir, name, r.self, args...); err != nil {
		return "", nil, err
	}
	r.processes = append(r.processes, p)
	return addr, p, p.awaitPort(ctx, addr)
}

const sidecarConfig = `listen: %s
admin: {listen: "%s"}
state_dir: %s
%s
routes:
  - name: ark
    hosts: [%s]
    upstream: https://%s
    upstream_ca_file: %s
    unsafe_plaintext_paths: [%s]
    certificate: {%s, roots: %s}
`

// sidecar starts sealcar in front of an upstream. further goes into its
// configuration, which otherwise is the default.
func (r *rig) sidecar(ctx context.Context, name, to, further string) (*sidecar, error) {
	s := &sidecar{}
	var err error
	for _, addr := range []*string{&s.addr, &s.admin} {
		if *addr, err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	certificate, err := r.certificateFile()
	if err != nil {
		return nil, err
	}
	s.config = filepath.Join(r.dir, name+".yaml")
	text := fmt.Sprintf(sidecarConfig, s.addr, s.admin, filepath.Join(r.dir, name), further, arkHost, to,
		filepath.Join(r.keys, "tls-ca.pem"), clearPath, certificate, filepath.Join(r.keys, "roots.pem"))
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configuring sealcar: %w", err)
	}
	if s.process, err = start(r.dir, name, r.binary, "run", "--config", s.config); err != nil {
		return nil, err
	}
	r.processes = append(r.processes, s.process)
	return s, s.awaitPort(ctx, s.addr)
}

type sidecar struct {
	*process
	addr, admin, config string
}

// certificateFile gives the endpoint's certificate as the configuration of a route
// has it, in a file without the key.
func (r *rig) certificateFile() (setting string, err error) {
	file := filepath.Join(r.keys, "endpoint.key")
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return "", fmt.Errorf("reading the endpoint's certificate: %w", err)
	}
	to := filepath.Join(r.dir, "endpoint.pem")
	return "source: file, file: " + to, writeCertificate(to, pair.Certificate[0])
}

// session is one with the endpoint, for what is sealed before the run.
func (r *rig) session() (*ark.Session, error) {
	key, err := endpointKey(r.keys)
	if err != nil {
		return nil, err
	}
	return ark.NewSession(key.PublicKey())
}

func (r *rig) close() {
	for _, p := range r.processes {
		p.stop()
	}
	if r.dir != "" {
		_ = os.RemoveAll(r.dir) // scratch
	}
}

// raiseFiles raises the limit of descriptors as far as it goes.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of descriptors: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the limit of descriptors: %w", err)
	}
	if limit.Cur < 4096 {
		return errors.New("fewer than 4096 descriptors are allowed (ulimit -n)")
	}
	return nil
}
