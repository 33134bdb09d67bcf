package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/enclave"
	"sealcar/filemode"
	"sealcar/proxy"
)

// Options are the settings of a demo.
type Options struct {
	Out   io.Writer // what is shown; required
	Width int       // of the terminal, in columns; 0 means 120
	JSON  bool      // print one JSON document in place of the panels

	// Sidecar makes the sidecar, as `sealcar run` would; required.
	Sidecar func(c *config.Config) (*proxy.Proxy, error)
	Log     zerolog.Logger // of the enclave

	// Serve, if set, is called once both chats are done, with both ends still
	// up; the demo ends when it returns.
	Serve func(ctx context.Context, p *proxy.Proxy, c *config.Config, apiKey string) error
}

// Run runs the demo. It returns an error if any step fails, if a word of the
// prompt is found on the wire, or if it does not come back to the application.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "sealcar-demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a left-over holds keys of this run only

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stage, err := build(ctx, dir, o)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- stage.enclave.Serve(ctx, stage.listener) }()
	go func() { ended <- stage.sidecar.Run(ctx) }()

	err = stage.play(ctx, o)
	stop()
	return errors.Join(err, <-ended, <-ended)
}

// stage is both ends, with the taps between them.
type stage struct {
	enclave  *enclave.Server
	listener net.Listener
	sidecar  *proxy.Proxy
	config   *config.Config
	apiKey   string
	wire     *wire
	backend  *backendTap
}

func build(ctx context.Context, dir string, o Options) (*stage, error) {
	s := &stage{wire: new(wire), backend: new(backendTap)}
	state := filepath.Join(dir, "enclave")
	var err error
	s.enclave, err = enclave.New(enclave.Options{
		StateDir: state, Backend: enclave.BackendEcho, Log: o.Log,
		Tap: s.wire.Tap, TapBackend: s.backend.tap,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the enclave: %w", err)
	}
	if s.apiKey, err = filemode.ReadWord(filepath.Join(state, "api-key")); err != nil {
		return nil, fmt.Errorf("reading the enclave's API key %w", err)
	}
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening for the enclave: %w", err)
	}
	// No SEALCAR_… variable of the user's has a say in this.
	s.config, err = config.Load(config.Source{Environ: []string{
		"SEALCAR_CONFIG_YAML=" + sidecarConfig(dir, state, s.listener.Addr().String()),
	}})
	if err != nil {
		return nil, fmt.Errorf("configuring the sidecar: %w", err)
	}
	if s.sidecar, err = o.Sidecar(s.config); err != nil {
		_ = s.listener.Close() // nothing serves it
		return nil, fmt.Errorf("starting the sidecar: %w", err)
	}
	return s, nil
}

// sidecarConfig is what a user would write to reach an enclave of their own.
func sidecarConfig(dir, state, enclaveAddr string) string {
	return fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: ""}
state_dir: %q
routes:
  - name: ark
    hosts: [%s]
    upstream: https://%s
    upstream_ca_file: %q
    certificate: {source: api-key, roots: %q}
`, filepath.Join(dir, "sidecar"), arkHost, enclaveAddr,
		filepath.Join(state, "tls-ca.pem"), filepath.Join(state, "roots.pem"))
}

// play sends both chats, shows them and checks the promise.
func (s *stage) play(ctx context.Context, o Options) error {
	started := time.Now()
	word := "canary-" + strings.ToLower(rand.Text()[:12])
	var scenes []*scene
	for _, stream := range []bool{false, true} {
		scene, err := s.chat(ctx, word, stream)
		if err != nil {
			return err
		}
		if err := scene.check(word); err != nil {
			return err
		}
		scenes = append(scenes, scene)
	}
	if o.JSON {
		if err := showJSON(o.Out, word, scenes); err != nil {
			return err
		}
	} else if err := showPanels(o.Out, o.Width, word, scenes, time.Since(started)); err != nil {
		return err
	}
	if o.Serve == nil {
		return nil
	}
	return o.Serve(ctx, s.sidecar, s.config, s.apiKey)
}
