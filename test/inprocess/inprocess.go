package inprocess

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/enclave"
	"sealcar/proxy"
	"sealcar/sidecar"
)

// Enclave is the far end.
type Enclave struct {
	*enclave.Server
	Addr  string // host:port; "" while it does not serve
	State string // its directory
	Key   string // its API key
}

// StartEnclave makes an enclave and has it serve on a free port until the test ends.
func StartEnclave(t testing.TB, o enclave.Options) *Enclave {
	t.Helper()
	e := NewEnclave(t, o)
	ln := Listen(t)
	e.Addr = ln.Addr().String()
	Run(t, func(ctx context.Context) error { return e.Serve(ctx, ln) })
	return e
}

// NewEnclave makes an enclave with its keys. Without a StateDir it has one of the
// test's, without a Backend the echo.
func NewEnclave(t testing.TB, o enclave.Options) *Enclave {
	t.Helper()
	if o.StateDir == "" {
		o.StateDir = filepath.Join(t.TempDir(), "enclave")
	}
	if o.Backend == "" {
		o.Backend = enclave.BackendEcho
	}
	server, err := enclave.New(o)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(o.StateDir, "api-key"))
	if err != nil {
		t.Fatal(err)
	}
	return &Enclave{Server: server, State: o.StateDir, Key: strings.TrimSpace(string(key))}
}

// Certificate copies the endpoint's certificates, without its key, to endpoint.pem in
// an enclave's state directory.
func Certificate(t testing.TB, state string) {
	t.Helper()
	file := filepath.Join(state, "endpoint.key") // the key, then its certificates
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, der := range pair.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if err := os.WriteFile(filepath.Join(state, "endpoint.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Sidecar is the near end. Stop ends it before the test does.
type Sidecar struct {
	*proxy.Proxy
	Stop func()
}

// StartSidecar runs a sidecar by a configuration in YAML until the test ends. It logs
// to log; nil means that nobody reads it.
func StartSidecar(t testing.TB, configuration string, log io.Writer) *Sidecar {
	t.Helper()
	c, err := config.Load(config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=" + configuration}})
	if err != nil {
		t.Fatal(err)
	}
	o := sidecar.Options{Config: c, Version: "test"}
	if log != nil {
		o.Log = zerolog.New(log)
	}
	p, err := sidecar.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &Sidecar{Proxy: p, Stop: Run(t, p.Run)}
}

// Listen listens on a free port of loopback. Whoever serves there closes it.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// Run runs f until stop is called or the test ends, which fails if f does. stop waits
// for the end; it may be called more than once.
func Run(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
