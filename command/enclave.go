package command

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sealcar/config"
	"sealcar/enclave"
)

// enclaveFlags are the flags of `sealcar enclave`.
type enclaveFlags struct {
	listen         string
	backend        string
	backendKeyFile string
	state          string
	seed           string
	names          []string
	plaintext      bool
	joined         bool
	echoDelay      time.Duration
	keyOverlap     time.Duration
	misbehave      []string
	logLevel       string
}

func newEnclave(p Process) *cobra.Command {
	var f enclaveFlags
	cmd := &cobra.Command{
		Use:   "enclave",
		Short: "Run the other end: open sealed requests for a model server, seal its replies",
		Long: `Run the other end of the wire in front of any OpenAI-compatible model server:
hand out the endpoint's certificate, open sealed requests, seal the replies.

Keys, a little PKI and the accepted credentials are made on the first start and
kept in the state directory: roots.pem and tls-ca.pem for sidecars; api-key, ak
and sk for their applications; sealcar.yaml, a sidecar's configuration.

SIGHUP gives the endpoint a new key and certificate; sidecars notice by
themselves. SIGTERM and SIGINT let open requests end and exit 0.

For tests of clients alone, --misbehave NAME (repeated) makes the enclave do wrong:
` + misbehaviours(),
		Example: "  sealcar enclave --listen 127.0.0.1:8443 --backend echo --state ./other-end\n  sealcar enclave --listen :8443 --backend http://127.0.0.1:8000/v1 --state /var/lib/sealcar --names model.example",
		Args:    cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return runEnclave(ctx, p, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8443", "host:port of the TLS listener")
	flags.StringVar(&f.backend, "backend", "echo", "echo, or the base URL of an OpenAI-compatible server")
	flags.StringVar(&f.backendKeyFile, "backend-key-file", "", "file with the API key for the backend")
	flags.StringVar(&f.state, "state", "", "directory of keys and credentials, made on first start (required)")
	flags.StringVar(&f.seed, "seed", "", "directory of keys and credentials to take over into --state at each start, such as a mounted Secret")
	flags.StringSliceVar(&f.names, "names", nil, "names and addresses of the TLS certificate (default localhost, 127.0.0.1 and the Ark hosts)")
	flags.BoolVar(&f.plaintext, "accept-plaintext", false, "serve requests that are not sealed too, in clear")
	flags.BoolVar(&f.joined, "joined-replies", false, "seal replies that do not stream as several ciphertexts joined, as Ark may")
	flags.DurationVar(&f.echoDelay, "echo-delay", 0, "pause of the echo backend between two words")
	flags.DurationVar(&f.keyOverlap, "key-overlap", defaultKeyOverlap, "how long requests for the key before a rotation still open")
	flags.StringArrayVar(&f.misbehave, "misbehave", nil, "for tests: what to do wrong, NAME or NAME=VALUE; see above")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	_ = cmd.MarkFlagRequired("state") // fails only for an unknown flag
	return cmd
}

// defaultKeyOverlap is as long as sidecars keep a certificate by default.
const defaultKeyOverlap = 24 * time.Hour

// misbehaviours is the part of the help that lists them.
func misbehaviours() string {
	var b strings.Builder
	for _, m := range enclave.Misbehaviours() {
		name := m.Name
		if m.Value != "" {
			name += "=" + m.Value
		}
		fmt.Fprintf(&b, "  %-24s %s\n", name, m.Meaning)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func runEnclave(ctx context.Context, p Process, f enclaveFlags) error {
	log, err := newLogger(p, config.Log{Level: f.logLevel, Format: "auto"})
	if err != nil {
		return err
	}
	fit := fitMachine(p, 0, log)
	limits := config.Default().Fit(fit).Limits
	server, err := enclave.New(enclave.Options{
		StateDir:        f.state,
		SeedDir:         f.seed,
		Backend:         f.backend,
		BackendKeyFile:  f.backendKeyFile,
		Names:           f.names,
		AcceptPlaintext: f.plaintext,
		JoinReplies:     f.joined,
		EchoDelay:       f.echoDelay,
		KeyOverlap:      f.keyOverlap,
		Misbehave:       f.misbehave,
		MaxConnections:  limits.Connections,
		MaxRequests:     limits.Requests,
		BufferedBytes:   int64(limits.BufferedBytes),
		Log:             log,
	})
	if err != nil {
		return err
	}
	defer pace(p, fit)()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listening on --listen %q: %w", f.listen, err)
	}
	side, err := writeSidecarConfig(f.state, ln.Addr().String())
	if err != nil {
		_ = ln.Close() // nothing serves it
		return err
	}
	log.Info().Str("listen", ln.Addr().String()).Str("backend", f.backend).Str("state", f.state).
		Msgf("the enclave is up; a sidecar reaches it with: sealcar run --config %s", side)
	ctx, stop := context.WithCancel(ctx)
	rotating := make(chan struct{})
	go func() {
		defer close(rotating)
		rotateOnHangup(ctx, server, log)
	}()
	err = server.Serve(ctx, ln)
	stop()
	<-rotating
	return err
}

// rotateOnHangup gives the endpoint a new key at each SIGHUP until ctx ends.
func rotateOnHangup(ctx context.Context, server *enclave.Server, log zerolog.Logger) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if err := server.Rotate(); err != nil {
				log.Error().Err(err).Msg("the endpoint's key is not rotated; the old one stays in force")
			}
		}
	}
}

// sidecarConfig is made anew at each start, for the port may differ. File names
// in it are relative to the file.
const sidecarConfig = `# A sidecar's configuration for this enclave: sealcar run --config sealcar.yaml
# Made at each start of the enclave; copy it to change it.
routes:
  - name: ark
    hosts: [ark.cn-beijing.volces.com]
    upstream: https://%s
    upstream_ca_file: tls-ca.pem
    certificate:
      source: api-key
      roots: roots.pem
`

// writeSidecarConfig leaves a sidecar's configuration for this enclave beside
// its roots, so that both ends can be tried in two commands.
func writeSidecarConfig(state, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("listening on %q: %w", addr, err)
	}
	if net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	path := filepath.Join(state, "sealcar.yaml")
	text := fmt.Sprintf(sidecarConfig, net.JoinHostPort(host, port))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { // #nosec G306 -- it holds no secret
		return "", fmt.Errorf("writing a sidecar's configuration: %w", err)
	}
	return path, nil
}
