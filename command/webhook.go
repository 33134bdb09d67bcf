package command

import (
	"context"
	"crypto/tls"
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
	"sealcar/livefile"
	"sealcar/webhook"
	"sealcar/webhook/certs"
)

// webhookFlags are the flags of `sealcar webhook`.
type webhookFlags struct {
	listen         string
	adminListen    string
	settings       string
	tlsCert        string
	tlsKey         string
	names          []string
	secret         string
	configuration  string
	serviceAccount string
	lifetime       time.Duration
	interval       time.Duration
	timeout        time.Duration
	bodyTimeout    time.Duration
	idle           time.Duration
	drain          time.Duration
	logLevel       string
}

func newWebhook(p Process) *cobra.Command {
	var f webhookFlags
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Add the sidecar to pods of a Kubernetes cluster, as an admission webhook",
		Long: `Add the sidecar to pods of a Kubernetes cluster, as a mutating admission webhook.
charts/sealcar runs this where the cluster has no MutatingAdmissionPolicy, and
says in --settings what is added to pods.

Its certificate is that of --tls-cert and --tls-key, which are read again when they
change, or else one that it makes itself, keeps in a Secret with the other
replicas, and replaces when a third of its lifetime is left. For that, its service
account may get and patch that Secret and the MutatingWebhookConfiguration.`,
		Args: cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return runWebhook(ctx, p, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", ":8443", "host:port of the TLS listener")
	flags.StringVar(&f.adminListen, "admin-listen", ":14090", "host:port of probes, plain HTTP")
	flags.StringVar(&f.settings, "settings", "", "file with what is added to pods, as the chart renders it; read again when it changes (required)")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "file with a certificate that API servers trust, for SERVICE.NAMESPACE.svc")
	flags.StringVar(&f.tlsKey, "tls-key", "", "file with its key")
	flags.StringSliceVar(&f.names, "names", nil, "without --tls-cert: names of the certificate, SERVICE.NAMESPACE.svc")
	flags.StringVar(&f.secret, "secret", "", "without --tls-cert: Secret of the webhook's own namespace that the certificate is kept in; it has to exist")
	flags.StringVar(&f.configuration, "configuration", "", "without --tls-cert: MutatingWebhookConfiguration that API servers find the authority in")
	flags.StringVar(&f.serviceAccount, "service-account", certs.ServiceAccountDir, "directory of the service account")
	flags.DurationVar(&f.lifetime, "lifetime", certs.DefaultLifetime, "lifetime of a certificate of its own")
	flags.DurationVar(&f.interval, "interval", certs.DefaultInterval, "how often the Secret and the MutatingWebhookConfiguration are looked at")
	flags.DurationVar(&f.timeout, "timeout", webhook.DefaultTimeout, "time for one request, and for one call of the API server")
	flags.DurationVar(&f.bodyTimeout, "body-timeout", webhook.DefaultBodyTimeout, "time for a review to arrive once it is being read")
	flags.DurationVar(&f.idle, "idle-timeout", webhook.DefaultIdle, "time that a connection is kept between requests")
	flags.DurationVar(&f.drain, "drain", webhook.DefaultDrain, "time for open requests at the end")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	_ = cmd.MarkFlagRequired("settings") // fails only for an unknown flag
	cmd.MarkFlagsRequiredTogether("tls-cert", "tls-key")
	cmd.MarkFlagsMutuallyExclusive("tls-cert", "secret")
	cmd.MarkFlagsOneRequired("tls-cert", "secret")
	return cmd
}

func runWebhook(ctx context.Context, p Process, f webhookFlags) error {
	log, err := newLogger(p, config.Log{Level: f.logLevel, Format: "auto"})
	if err != nil {
		return err
	}
	defer pace(p, fitMachine(p, 0, log))()
	server, keep, err := newWebhookServer(p, f, log)
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listening on --listen %q: %w", f.listen, err)
	}
	admin, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.adminListen)
	if err != nil {
		_ = ln.Close() // nothing has come through it
		return fmt.Errorf("listening on --admin-listen %q: %w", f.adminListen, err)
	}
	log.Info().Str("listen", ln.Addr().String()).Str("admin", admin.Addr().String()).Msg("the webhook is up")
	return serveKept(ctx, keep, func() error { return server.Serve(ctx, ln, admin) })
}

// newWebhookServer is the server, and what looks after its certificate meanwhile.
func newWebhookServer(p Process, f webhookFlags, log zerolog.Logger) (server webhook.Server, keep func(context.Context), err error) {
	settings, err := liveSettings(f.settings, log)
	if err != nil {
		return server, nil, err
	}
	live := func() *webhook.Settings {
		s, _ := settings.Get() // its error was reported
		return s
	}
	server = webhook.Server{
		Handler: webhook.NewHandler(webhook.Options{Settings: live, BodyTimeout: f.bodyTimeout, Log: log}),
		Timeout: f.timeout, Idle: f.idle, Drain: f.drain, Log: log,
	}
	if f.tlsCert == "" {
		k, err := newKeeper(p, f, log)
		if err != nil {
			return server, nil, err
		}
		server.Certificate, server.Ready = k.Certificate, k.Ready
		server.Outdated = func() string { return outdated(settings, nil) }
		return server, k.Run, nil
	}
	report := func(err error) { log.Error().Err(err).Msg("the former certificate stays in use") }
	pair, err := certs.Files(f.tlsCert, f.tlsKey, report)
	if err != nil {
		return server, nil, err
	}
	server.Certificate = func() (*tls.Certificate, error) {
		c, _ := pair.Get() // its error was reported
		return c, nil
	}
	server.Outdated = func() string { return outdated(settings, pair) }
	return server, func(context.Context) {}, nil
}

// outdated tells which files have changed and cannot be used; why is in the log. A
// pair of nil is none.
func outdated(settings *livefile.Value[*webhook.Settings], pair *livefile.Value[*tls.Certificate]) string {
	var told []string
	if _, err := settings.Get(); err != nil {
		told = append(told, "the new settings of the injector are not valid and those before stay in force: the log says why")
	}
	if pair != nil {
		if _, err := pair.Get(); err != nil {
			told = append(told, "the new certificate of the webhook cannot be used and the one before serves on: the log says why")
		}
	}
	return strings.Join(told, "; ")
}

// serveKept serves while keep runs, and ends both.
func serveKept(ctx context.Context, keep func(context.Context), serve func() error) error {
	keeping, stop := context.WithCancel(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		keep(keeping)
	}()
	err := serve()
	stop()
	<-kept
	return err
}

// liveSettings are the settings as the file has them now; a bad change is logged,
// and the former ones stay in force.
func liveSettings(path string, log zerolog.Logger) (*livefile.Value[*webhook.Settings], error) {
	return livefile.New(livefile.Source[*webhook.Settings]{
		Paths:  []string{path},
		Read:   func() (*webhook.Settings, error) { return webhook.ReadSettings(path) },
		Report: func(err error) { log.Error().Err(err).Msg("the former settings stay in force") },
	})
}

// newKeeper looks after a certificate of our own.
func newKeeper(p Process, f webhookFlags, log zerolog.Logger) (*certs.Keeper, error) {
	cluster, err := certs.InCluster(p.Getenv, f.serviceAccount, f.timeout)
	if err != nil {
		return nil, err
	}
	namespace, err := os.ReadFile(filepath.Join(f.serviceAccount, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("reading the namespace: %w", err)
	}
	return certs.NewKeeper(certs.Options{
		Cluster: cluster, Namespace: strings.TrimSpace(string(namespace)),
		Secret: f.secret, Configuration: f.configuration, Names: f.names,
		Lifetime: f.lifetime, Interval: f.interval, Now: time.Now, Log: log,
	})
}
